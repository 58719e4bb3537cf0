//! A connection's bytes, at a pace: who does not read its answers, or sends a handshake without end, loses it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::connections::Memory;

/// The most that a handshake brings from the client, and the first record of the calls after it, which may come at once
/// with it: a hello and a chain of two certificates are a quarter of the one, and the other is as large as records are.
const LARGEST_HANDSHAKE: usize = (16 + 18) * 1024;
/// A handshake, a challenge and a login, as all but the longest of keys make them.
const A_FEW_SHORT_CALLS: usize = 6 * 1024;
/// How long somebody may take to read nothing.
const PATIENCE: Duration = Duration::from_secs(10);
/// Who reads as many bytes gets a second of patience back.
const BYTES_A_SECOND: u64 = 16 * 1024;

/// A stream whose other side has to read.
#[derive(Debug)]
pub(super) struct Paced<S> {
    stream: S,
    /// How much the handshake may still bring, while it is going on.
    handshake: Option<usize>,
    /// How much may come until it is told.
    few: Option<(usize, Memory)>,
    patience: Patience,
    /// When it is at its end, while we wait.
    end: Option<Pin<Box<Sleep>>>,
}

/// How long the other side may still keep us waiting, in all.
#[derive(Debug)]
struct Patience {
    left: Duration,
    waiting_since: Option<Instant>,
}

impl<S> Paced<S> {
    /// A connection whose handshake begins.
    pub(super) fn new(stream: S, memory: Memory) -> Self {
        let (handshake, few) = (Some(LARGEST_HANDSHAKE), Some((A_FEW_SHORT_CALLS, memory)));
        Self { stream, handshake, few, patience: Patience::new(), end: None }
    }

    /// What is paced.
    pub(super) fn stream(&self) -> &S {
        &self.stream
    }

    /// The handshake is over: from here on others bound what comes.
    pub(super) fn handshake_done(&mut self) {
        self.handshake = None;
    }

    fn came(&mut self, bytes: usize) -> io::Result<()> {
        if let Some(left) = self.handshake {
            self.handshake = Some(left.checked_sub(bytes).ok_or(io::ErrorKind::InvalidData)?);
        }
        if let Some((left, memory)) = &mut self.few {
            match left.checked_sub(bytes) {
                Some(less) => *left = less,
                None => {
                    memory.has_sent_much();
                    self.few = None;
                }
            }
        }
        Ok(())
    }

    fn pace(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(bytes)) => {
                self.patience.took(bytes, Instant::now());
                self.end = None;
                Poll::Ready(Ok(bytes))
            }
            Poll::Pending => {
                let end = self.patience.waits(Instant::now());
                let end = self.end.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(end)));
                ready!(end.as_mut().poll(context));
                let error = io::Error::new(io::ErrorKind::TimedOut, "what is sent is not read");
                Poll::Ready(Err(error))
            }
            failed => failed,
        }
    }
}

impl Patience {
    fn new() -> Self {
        Self { left: PATIENCE, waiting_since: None }
    }

    /// The other side takes nothing. Gives until when it may do so.
    fn waits(&mut self, now: Instant) -> Instant {
        *self.waiting_since.get_or_insert(now) + self.left
    }

    /// It took so many bytes.
    fn took(&mut self, bytes: usize, now: Instant) {
        let waited = self.waiting_since.take().map_or(Duration::ZERO, |since| now - since);
        let thousandths = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(1_000);
        let earned = Duration::from_millis(thousandths / BYTES_A_SECOND);
        self.left = (self.left.saturating_sub(waited) + earned).min(PATIENCE);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        Poll::Ready(self.came(buffer.filled().len() - before))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.pace(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.pace(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::http::connections::Connections;
    use crate::http::room::Room;

    /// For how many seconds somebody is served who reads so much each second, and never more at once.
    fn served(bytes_a_second: usize, seconds: u64) -> u64 {
        let (mut patience, start) = (Patience::new(), Instant::now());
        let at = |second| start + Duration::from_secs(second);
        (0..seconds)
            .find(|second| {
                let is_over = patience.waits(at(*second)) < at(second + 1);
                patience.took(bytes_a_second, at(second + 1));
                is_over
            })
            .unwrap_or(seconds)
    }

    #[test]
    fn who_does_not_read_is_served_no_longer_and_who_reads_slowly_is() {
        assert_eq!(served(0, 1_000), 10);
        assert_eq!(served(1, 1_000), 10);
        assert_eq!(served(4_000, 1_000), 12);
        assert_eq!(served(17_000, 1_000), 1_000);
    }

    #[test]
    fn idle_time_between_answers_is_nobodys_fault() {
        let (mut patience, start) = (Patience::new(), Instant::now());
        for hour in 0..10 {
            let now = start + Duration::from_secs(hour * 3_600);
            assert_eq!(patience.waits(now), now + PATIENCE);
            patience.took(100_000, now + PATIENCE / 2);
            patience.took(100, now + PATIENCE / 2);
        }
    }

    #[tokio::test]
    async fn a_handshake_has_an_end() {
        let place = Connections::new(Room { strangers: 1, known: 1 }).enter([192, 0, 2, 1].into());
        let (ours, mut theirs) = tokio::io::duplex(100_000);
        theirs.write_all(&[0; 40_000]).await.unwrap();
        let mut paced = Paced::new(ours, place.memory());
        let mut bytes = vec![0; 40_000];
        let error = paced.read_exact(&mut bytes).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);

        let (ours, mut theirs) = tokio::io::duplex(100_000);
        theirs.write_all(&[0; 40_000]).await.unwrap();
        let mut paced = Paced::new(ours, place.memory());
        paced.handshake_done();
        paced.read_exact(&mut bytes).await.unwrap();
    }
}
