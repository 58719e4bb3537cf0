//! What follows on a grant: a request for more time after it, or the grant that this became.

use std::sync::Arc;

use jit_ca_core::{GrantId, RequestId, SubjectId, UnixTime};
use redb::ReadableTable;

use super::requests::{Between, Phase, Whose, newest};
use crate::store::StoreError;
use crate::store::record::AccessRecord;

/// What follows on a grant and is in force. It is among what its holder has pending and granted, which is little.
pub(in crate::store) fn follower(
    requests: &impl ReadableTable<&'static [u8], ()>,
    access: impl Fn(RequestId) -> Result<Option<Arc<AccessRecord>>, StoreError>,
    holder: &SubjectId,
    grant: GrantId,
    now: UnixTime,
) -> Result<Option<Arc<AccessRecord>>, StoreError> {
    for phase in [Phase::Pending, Phase::Granted] {
        for id in newest(requests, Whose::Subject(holder), phase, Between::ALL, usize::MAX)? {
            let follows = |record: &Arc<AccessRecord>| {
                record.access.request.extends == Some(grant) && record.access.is_in_force(now)
            };
            if let Some(found) = access(id)?.filter(follows) {
                return Ok(Some(found));
            }
        }
    }
    Ok(None)
}
