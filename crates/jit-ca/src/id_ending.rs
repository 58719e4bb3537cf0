//! Ids by their endings: nobody types 26 characters.

use std::fmt::Display;

use crate::error::{Error, Result};

/// The shortest ending that is taken: shorter ones are guesses.
const SHORTEST: usize = 4;

/// The one id among `known`, which may be not all there are, that ends in `ending`.
///
/// # Errors
/// If none does, or several do.
pub(crate) fn find<T: Copy + Display + Ord>(
    what: &str,
    ending: &str,
    known: impl IntoIterator<Item = T>,
    more: bool,
) -> Result<T> {
    let list = match more {
        false if what == "session" => "see them: jit-ca sessions",
        true => "only the newest are known by an ending: give the whole id",
        false => "see them: jit-ca requests",
    };
    if ending.chars().count() < SHORTEST {
        let fault = format!("{ending:?} is too short to name a {what}");
        return Err(Error::usage(fault, format!("give the last {SHORTEST} characters or more")));
    }
    let mut found: Vec<T> =
        known.into_iter().filter(|id| id.to_string().ends_with(ending)).collect();
    found.sort();
    found.dedup();
    match found.as_slice() {
        [id] => Ok(*id),
        [] => Err(Error::usage(format!("no {what} ends in {ending:?}"), list)),
        several => Err(Error::usage(
            format!("{} {what}s end in {ending:?}", several.len()),
            "give more of its last characters",
        )),
    }
}

#[cfg(test)]
mod tests {
    use jit_ca_core::RequestId;

    #[test]
    fn an_ending_names_one_or_none() {
        let ids = ["r-01m3250v000w3ge1r70w3gaaaa", "r-01m3250v000w3ge1r70w3gbaaa"];
        let ids = ids.map(|id| id.parse::<RequestId>().unwrap());
        let find = |ending: &str| super::find("request", ending, ids.into_iter().chain(ids), false);
        assert_eq!(find("gaaaa").unwrap(), ids[0]);
        assert_eq!(find("baaa").unwrap(), ids[1]);
        assert_eq!(find(&ids[1].to_string()).unwrap(), ids[1]);
        for wrong in ["aaa", "", "zzzz", "01m3250v"] {
            assert!(find(wrong).is_err(), "{wrong:?}");
        }
        let cut = super::find("request", "zzzz", ids, true).unwrap_err();
        assert!(cut.hint().unwrap().contains("whole id"), "{cut:?}");
        let twins = ["r-01m3250v000w3ge1r70w3gaaaa", "r-11m3250v000w3ge1r70w3gaaaa"];
        let twins = twins.map(|id| id.parse::<RequestId>().unwrap());
        assert!(super::find("request", "gaaaa", twins, false).is_err());
    }
}
