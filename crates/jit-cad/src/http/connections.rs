//! Who is connected: how many at once, and who goes when one more comes.
//!
//! A newcomer always gets in. Where there is no place left, one is taken from somebody:
//!
//! - of those that have shown no login certificate, whoever has been here longest. Memory is shared out alike: who turns
//!   out to take more of it than others takes it from whoever has been here longest. What they do makes no
//!   difference: who could keep a place by being busy would be busy. So whoever comes has at least
//!   (places / arrivals a second) seconds, and an honest login takes less than one.
//! - of those that have, whoever holds most of the places loses the one that has been idle longest. They have
//!   places of their own, of which no stranger takes one.
//!
//! Nobody has more than a share of either, by address or by login; one more takes one of their own.

mod known;
mod strangers;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use self::known::Known;
use self::strangers::{Size, Strangers};
use super::room::Room;

/// Who has shown a login certificate: its subject, as encoded.
type Holder = Arc<[u8]>;
/// A connection, in the order in which they came.
type Number = u64;
/// What tells a connection that its place is another's now.
type End = Arc<Notify>;

/// All connections.
#[derive(Debug)]
pub(super) struct Connections(Mutex<Table>);

#[derive(Debug)]
struct Table {
    next: Number,
    strangers: Strangers,
    known: Known,
    ended: Ended,
}

/// How many connections lost their places to others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) strangers: u64,
    pub(super) known: u64,
}

/// A connection's place, which is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    connections: Arc<Connections>,
    number: Number,
    end: End,
}

/// How much memory a connection may take, which grows with what it does. Of strangers alone: who is known is bounded by
/// number.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    connections: Arc<Connections>,
    number: Number,
}

/// Who calls, for as long as the connection is open.
#[derive(Clone, Debug)]
pub(super) struct Calling {
    connections: Arc<Connections>,
    number: Number,
    holder: Option<Holder>,
}

/// A call whose body is large, until nothing is left of it.
#[derive(Debug)]
pub(super) struct Large(Calling);

/// A call under way, from its head to the last byte of its answer.
#[derive(Debug)]
pub(super) struct UnderWay(Calling);

impl Connections {
    pub(super) fn new(room: Room) -> Arc<Self> {
        let table = Table {
            next: 0,
            strangers: Strangers::new(room.strangers),
            known: Known::new(room.known),
            ended: Ended::default(),
        };
        Arc::new(Self(Mutex::new(table)))
    }

    /// A place for a newcomer.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Place {
        let end = End::default();
        let mut table = self.table();
        let number = table.next;
        table.next += 1;
        table.ended.strangers += table.strangers.enter(number, address, Arc::clone(&end));
        drop(table);
        Place { connections: Arc::clone(self), number, end }
    }

    /// How many lost their places since this was asked last.
    pub(super) fn take_ended(&self) -> Ended {
        std::mem::take(&mut self.table().ended)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// What tells that the place is another's now.
    pub(super) fn end(&self) -> Arc<Notify> {
        Arc::clone(&self.end)
    }

    /// What is told what it does.
    pub(super) fn memory(&self) -> Memory {
        Memory { connections: Arc::clone(&self.connections), number: self.number }
    }

    /// The handshake is over: who calls, by the subject of the login certificate, if there is one.
    pub(super) fn calling(&self, subject: Option<&[u8]>) -> Calling {
        let holder = subject.map(Holder::from);
        if let Some(holder) = &holder {
            let mut table = self.connections.table();
            // Else it has lost its place meanwhile.
            if table.strangers.leave(self.number)
                && let Some(ended) =
                    table.known.enter(self.number, Arc::clone(holder), Arc::clone(&self.end))
            {
                ended.notify_one();
                table.ended.known += 1;
            }
        }
        Calling { connections: Arc::clone(&self.connections), number: self.number, holder }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.connections.table();
        if !table.strangers.leave(self.number) {
            table.known.leave(self.number);
        }
    }
}

impl Memory {
    /// It speaks HTTP/2, which takes more memory.
    pub(super) fn speaks_http2(&self) {
        self.grow(|size| size.is_http2 = true);
    }

    /// It has sent more than a few short calls.
    pub(super) fn has_sent_much(&self) {
        self.grow(|size| size.is_fat = true);
    }

    fn grow(&self, grow: impl FnOnce(&mut Size)) {
        let mut table = self.connections.table();
        table.ended.strangers += table.strangers.grow(self.number, grow);
    }
}

impl Calling {
    /// One more call, unless so many of the same login are under way that it has to wait.
    pub(super) fn begin(&self) -> Option<UnderWay> {
        if let Some(holder) = &self.holder
            && !self.connections.table().known.begin(self.number, holder)
        {
            return None;
        }
        Some(UnderWay(self.clone()))
    }

    /// One more call whose body is large, unless there is no memory for it. A stranger has none.
    pub(super) fn large(&self) -> Option<Large> {
        let holder = self.holder.as_ref()?;
        self.connections.table().known.begin_large(holder).then(|| Large(self.clone()))
    }

    /// Whether a login certificate was shown.
    pub(super) fn is_known(&self) -> bool {
        self.holder.is_some()
    }
}

impl Drop for Large {
    fn drop(&mut self) {
        if let Some(holder) = &self.0.holder {
            self.0.connections.table().known.finish_large(holder);
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(holder) = &self.0.holder {
            self.0.connections.table().known.finish(self.0.number, holder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_over(place: &Place) -> bool {
        use std::future::Future as _;
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        std::pin::pin!(place.end.notified()).poll(&mut context).is_ready()
    }

    #[test]
    fn strangers_take_no_place_of_the_known_and_newcomers_always_get_in() {
        let connections = Connections::new(Room { strangers: 10, known: 3 });
        let address = |n: u8| IpAddr::from([192, 0, 2, n]);
        let alice = connections.enter(address(1));
        let calling = alice.calling(Some(b"alice"));
        assert!(calling.is_known());

        let flood: Vec<_> = (0..100).map(|n| connections.enter(address(n))).collect();
        assert_eq!(connections.take_ended(), Ended { strangers: 90, known: 0 });
        assert_eq!(connections.take_ended(), Ended::default());
        assert!(!is_over(&alice));
        let over = flood.iter().map(is_over).filter(|over| *over).count();
        assert_eq!(over, 90);
        assert!(flood.iter().skip(90).all(|place| !is_over(place)));

        // A handshake that ends after its place was lost gets no other one.
        let late = flood.first().unwrap().calling(Some(b"bob"));
        let call = late.begin();
        assert!(call.is_some() && late.is_known());
        drop((flood, alice, call));
        drop(calling.begin());
        let table = connections.table();
        assert!(table.strangers.is_empty() && table.known.is_empty());
    }
}
