//! Messages larger than memory, receipts, and a channel as a stream of bytes.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use session::datachannel::{Kind, Progress};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

use super::DataChannel;
use super::queued::Confirm;
use crate::description::DataChannelState;
use crate::error::Error;
use crate::message::Message;

/// How much is read at a time from what `send_from` is given, and how large messages of a [`ByteStream`] are at most.
const CHUNK: usize = 16 << 10;

/// What becomes of a message: ready when the peer's SCTP has acknowledged all of it, which says that it arrived, not
/// that the application there has read it.
///
/// Errors: [`Error::MessageAbandoned`] if it was given up, as the channel's reliability asked for;
/// [`Error::Undelivered`] if channel or connection ended before it was known.
#[must_use = "a receipt tells only who awaits it"]
pub struct Receipt {
    outcome: oneshot::Receiver<bool>,
    channel: DataChannel,
    length: usize,
}

impl Receipt {
    pub(super) fn new(channel: &DataChannel, length: usize) -> (Self, Confirm) {
        let (confirm, outcome) = oneshot::channel();
        (Self { outcome, channel: channel.clone(), length }, confirm)
    }
}

impl Future for Receipt {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = std::task::ready!(Pin::new(&mut self.outcome).poll(cx));
        let may_give_up = self.channel.max_retransmits().is_some() || self.channel.max_packet_life_time().is_some();
        Poll::Ready(match outcome {
            Ok(true) => Ok(()),
            Ok(false) if may_give_up => Err(Error::MessageAbandoned { label: self.channel.label().to_owned() }),
            Ok(false) | Err(_) => Err(Error::Undelivered { messages: 1, unsent: self.length }),
        })
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt").field("channel", &self.channel).field("length", &self.length).finish_non_exhaustive()
    }
}

/// A message that is sent piece by piece: [`DataChannel::begin`]. Dropped before [`finish`](Self::finish), it is given
/// up, and the peer's application never hears of it (unless it reads in chunks).
#[derive(Debug)]
pub struct MessageWriter {
    channel: DataChannel,
    kind: Kind,
    sent: usize,
    is_open: bool,
}

impl MessageWriter {
    /// Sends the next bytes; waits while the channel's buffer is full.
    ///
    /// # Errors
    ///
    /// [`Error::MessageTooLarge`] once the message has more than the peer's `max-message-size`. The channel is closing or
    /// closed, or has given the message up. Either way nothing more can be sent of it.
    pub async fn write(&mut self, bytes: impl Into<Bytes>) -> Result<(), Error> {
        let mut bytes = bytes.into();
        while !bytes.is_empty() {
            let mut chunk = Some(bytes.split_to(bytes.len().min(CHUNK)));
            poll_fn(|cx| self.poll_part(&mut chunk, false, &mut None, cx)).await?;
        }
        Ok(())
    }

    /// Ends the message.
    ///
    /// # Errors
    ///
    /// As for [`write`](Self::write).
    pub async fn finish(mut self) -> Result<Receipt, Error> {
        let (receipt, confirm) = Receipt::new(&self.channel, self.sent);
        let (mut confirm, mut end) = (Some(confirm), Some(Bytes::new()));
        poll_fn(|cx| self.poll_part(&mut end, true, &mut confirm, cx)).await?;
        self.is_open = false;
        Ok(receipt)
    }

    fn poll_part(
        &mut self,
        bytes: &mut Option<Bytes>,
        is_last: bool,
        confirm: &mut Option<Confirm>,
        cx: &Context<'_>,
    ) -> Poll<Result<(), Error>> {
        let length = bytes.as_ref().map_or(0, Bytes::len);
        let total = self.sent.saturating_add(length);
        std::task::ready!(self.channel.channel.offer_part(self.kind, bytes, total, is_last, confirm, cx))?;
        self.sent = total;
        Poll::Ready(Ok(()))
    }
}

impl Drop for MessageWriter {
    fn drop(&mut self) {
        if self.is_open {
            self.channel.channel.cancel_parts();
        }
    }
}

/// A message that is read while it comes: [`DataChannel::recv_chunks`]. Dropped before its end, the rest of the message
/// is thrown away.
#[derive(Debug)]
pub struct MessageReader {
    channel: DataChannel,
    kind: Kind,
    first: Option<Bytes>,
    has_ended: bool,
    rest: Bytes,
}

impl MessageReader {
    /// Whether it is text. A chunk of it may end in the middle of a character.
    pub fn is_text(&self) -> bool {
        self.kind == Kind::Text
    }

    /// The bytes that come next, some at least; `None` after the last ones.
    ///
    /// # Errors
    ///
    /// The peer gave the message up, or the channel closed before its end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        poll_fn(|cx| self.poll_chunk(cx)).await
    }

    fn poll_chunk(&mut self, cx: &Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        loop {
            if let Some(first) = self.first.take()
                && !first.is_empty()
            {
                return Poll::Ready(Ok(Some(first)));
            }
            if self.has_ended {
                return Poll::Ready(Ok(None));
            }
            let Some(part) = std::task::ready!(self.channel.channel.poll_part(cx)) else {
                self.end();
                return Poll::Ready(Err(self.cut_short("the channel closed in the middle of a message")));
            };
            match part.progress {
                Progress::More => {}
                Progress::Complete => self.end(),
                Progress::Abandoned => {
                    self.end();
                    return Poll::Ready(Err(self.cut_short("the peer gave up a message in the middle of it")));
                }
            }
            self.first = Some(part.payload);
        }
    }

    fn cut_short(&self, reason: &str) -> Error {
        Error::ChannelFailed { label: self.channel.label().to_owned(), reason: reason.to_owned() }
    }

    fn end(&mut self) {
        self.has_ended = true;
        self.channel.channel.end_reading(false);
    }
}

impl Drop for MessageReader {
    fn drop(&mut self) {
        if !self.has_ended {
            self.channel.channel.end_reading(true);
        }
    }
}

impl Stream for MessageReader {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_chunk(cx).map(Result::transpose)
    }
}

impl AsyncRead for MessageReader {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.rest.is_empty() {
            match std::task::ready!(self.poll_chunk(cx)) {
                Ok(Some(chunk)) => self.rest = chunk,
                Ok(None) => return Poll::Ready(Ok(())),
                Err(error) => return Poll::Ready(Err(io::Error::other(error))),
            }
        }
        fill(buf, &mut self.rest);
        Poll::Ready(Ok(()))
    }
}

fn fill(buf: &mut ReadBuf<'_>, rest: &mut Bytes) {
    let length = rest.len().min(buf.remaining());
    buf.put_slice(&rest.split_to(length));
}

/// Sending and receiving in parts.
impl DataChannel {
    /// Sends a message as [`send`](Self::send) does, and returns a receipt that tells when it was delivered.
    ///
    /// # Errors
    ///
    /// As for `send`.
    pub async fn send_with_receipt(&self, message: impl Into<Message> + Send) -> Result<Receipt, Error> {
        let message = message.into();
        let (receipt, confirm) = Receipt::new(self, message.len());
        let (mut message, mut confirm) = (Some(message), Some(confirm));
        poll_fn(|cx| self.channel.offer(&mut message, &mut confirm, Some(cx))).await?;
        Ok(receipt)
    }

    /// Begins a binary message of any size, which is sent as it is written: it may be larger than all buffers. Other
    /// messages of this channel wait for its end; those of other channels do not, if the peer can interleave messages
    /// (RFC 8260: Firefox, visavis), and do otherwise. Waits until the channel is open and no other message is being
    /// written.
    ///
    /// # Errors
    ///
    /// The channel is closing or closed.
    pub async fn begin(&self) -> Result<MessageWriter, Error> {
        poll_fn(|cx| self.channel.begin_parts(cx)).await?;
        Ok(MessageWriter { channel: self.clone(), kind: Kind::Binary, sent: 0, is_open: true })
    }

    /// Sends all that a reader yields as one binary message; returns its receipt.
    ///
    /// # Errors
    ///
    /// As for [`MessageWriter::write`], and [`Error::Io`] if the reader fails: then the message is given up.
    pub async fn send_from(&self, reader: impl AsyncRead + Send) -> Result<Receipt, Error> {
        let mut reader = pin!(reader);
        let mut writer = self.begin().await?;
        loop {
            let mut chunk = BytesMut::zeroed(CHUNK);
            let read = poll_fn(|cx| {
                let mut buf = ReadBuf::new(&mut chunk);
                reader.as_mut().poll_read(cx, &mut buf).map_ok(|()| buf.filled().len())
            });
            let length = read.await.map_err(|error| Error::io("reading what is to be sent", error))?;
            if length == 0 {
                return writer.finish().await;
            }
            chunk.truncate(length);
            writer.write(chunk.freeze()).await?;
        }
    }

    /// Sends all that a stream yields as one binary message; returns its receipt.
    ///
    /// # Errors
    ///
    /// As for [`send_from`](Self::send_from).
    pub async fn send_stream(&self, chunks: impl Stream<Item = io::Result<Bytes>> + Send) -> Result<Receipt, Error> {
        let mut chunks = pin!(chunks);
        let mut writer = self.begin().await?;
        while let Some(chunk) = poll_fn(|cx| chunks.as_mut().poll_next(cx)).await {
            writer.write(chunk.map_err(|error| Error::io("reading what is to be sent", error))?).await?;
        }
        writer.finish().await
    }

    /// The next message, to be read while it comes, so that it may be larger than memory; `None` once the channel is
    /// closed and all was received. The peer may only send what [`crate::Config::max_message_size`] allows; `usize::MAX`
    /// there is no limit.
    pub async fn recv_chunks(&self) -> Option<MessageReader> {
        let part = poll_fn(|cx| self.channel.poll_first_part(cx)).await?;
        let mut reader = MessageReader {
            channel: self.clone(),
            kind: part.kind,
            first: Some(part.payload),
            has_ended: false,
            rest: Bytes::new(),
        };
        if part.progress != Progress::More {
            reader.end();
        }
        Some(reader)
    }

    /// The channel as a stream of bytes, for what speaks over TCP elsewhere: what is written goes out as binary messages
    /// of up to 16 KiB, and the payloads of what arrives are read one after the other, whatever messages they came in.
    /// It should be ordered and reliable. Shutting it down closes the channel.
    pub fn byte_stream(&self) -> ByteStream {
        ByteStream { channel: self.clone(), rest: Bytes::new() }
    }
}

/// A channel as a stream of bytes: [`DataChannel::byte_stream`].
#[derive(Debug)]
pub struct ByteStream {
    channel: DataChannel,
    rest: Bytes,
}

impl AsyncRead for ByteStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.rest.is_empty() {
            match std::task::ready!(self.channel.channel.poll_part(cx)) {
                Some(part) => self.rest = part.payload,
                None => return Poll::Ready(Ok(())),
            }
        }
        fill(buf, &mut self.rest);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ByteStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let length = buf.len().min(CHUNK).min(self.channel.channel.largest_message().max(1));
        let Some(chunk) = buf.get(..length).filter(|chunk| !chunk.is_empty()) else { return Poll::Ready(Ok(0)) };
        // Copied before it is known whether there is room: asking first would take the lock twice.
        let mut message = Some(Message::Binary(Bytes::copy_from_slice(chunk)));
        let offered = std::task::ready!(self.channel.channel.offer(&mut message, &mut None, Some(cx)));
        Poll::Ready(match offered {
            Ok(()) => Ok(length),
            Err(error) => Err(io::Error::new(io::ErrorKind::BrokenPipe, error)),
        })
    }

    /// Ready when all that was written has been handed to the network.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.channel.channel.poll_until(cx, |state| {
            (state.buffered() == 0 || state.ready == DataChannelState::Closed).then_some(Ok(()))
        })
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.channel.channel.ask_to_close();
        self.channel.channel.poll_until(cx, |state| (state.ready == DataChannelState::Closed).then_some(Ok(())))
    }
}
