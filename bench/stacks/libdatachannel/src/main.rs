//! libdatachannel, through its crate, in the contest.

use std::sync::Arc;

use anyhow::{Context, Result};
use bytes::Bytes;
use contest::{Settings, Stack};
use datachannel::{
    DataChannelHandler, DataChannelInfo, DataChannelInit, GatheringState, PeerConnectionHandler, Reliability,
    RtcConfig, RtcDataChannel, RtcPeerConnection, SdpType, SessionDescription, sdp::parse_sdp,
};
use tokio::sync::{Notify, mpsc};

/// Its `send` never waits; who sends more than this at a time fills the memory.
const HIGH: usize = 4 << 20;
const LOW: usize = 1 << 20;

#[derive(Clone)]
struct OnChannel {
    opened: mpsc::UnboundedSender<()>,
    messages: mpsc::UnboundedSender<Bytes>,
    has_room: Arc<Notify>,
}

impl DataChannelHandler for OnChannel {
    fn on_open(&mut self) {
        let _ = self.opened.send(());
    }

    fn on_message(&mut self, message: &[u8]) {
        let _ = self.messages.send(Bytes::copy_from_slice(message));
    }

    fn on_buffered_amount_low(&mut self) {
        self.has_room.notify_one();
    }
}

struct OnConnection {
    channel: OnChannel,
    channels: mpsc::UnboundedSender<Box<RtcDataChannel<OnChannel>>>,
    gathered: mpsc::UnboundedSender<()>,
}

impl PeerConnectionHandler for OnConnection {
    type DCH = OnChannel;

    fn data_channel_handler(&mut self, _info: DataChannelInfo) -> OnChannel {
        self.channel.clone()
    }

    fn on_gathering_state_change(&mut self, state: GatheringState) {
        if state == GatheringState::Complete {
            let _ = self.gathered.send(());
        }
    }

    fn on_data_channel(&mut self, channel: Box<RtcDataChannel<OnChannel>>) {
        let _ = self.channels.send(channel);
    }
}

struct Libdatachannel {
    connection: Box<RtcPeerConnection<OnConnection>>,
    channel: Option<Box<RtcDataChannel<OnChannel>>>,
    handler: OnChannel,
    channels: mpsc::UnboundedReceiver<Box<RtcDataChannel<OnChannel>>>,
    opened: mpsc::UnboundedReceiver<()>,
    messages: mpsc::UnboundedReceiver<Bytes>,
    gathered: mpsc::UnboundedReceiver<()>,
}

impl Libdatachannel {
    fn new() -> Result<Self> {
        let config = RtcConfig::new::<&str>(&[]).bind_address(&"127.0.0.1");
        let (opened, has_opened) = mpsc::unbounded_channel();
        let (messages, hear) = mpsc::unbounded_channel();
        let (channels, new_channels) = mpsc::unbounded_channel();
        let (gathered, has_gathered) = mpsc::unbounded_channel();
        let handler = OnChannel { opened, messages, has_room: Arc::new(Notify::new()) };
        let on_connection = OnConnection { channel: handler.clone(), channels, gathered };
        Ok(Self {
            connection: RtcPeerConnection::new(&config, on_connection)?,
            channel: None,
            handler,
            channels: new_channels,
            opened: has_opened,
            messages: hear,
            gathered: has_gathered,
        })
    }

    async fn described(&mut self) -> Result<String> {
        self.gathered.recv().await.context("gathering does not end")?;
        Ok(self.connection.local_description().context("there is a description")?.sdp.to_string())
    }

    fn hear(&mut self, sdp: &str, sdp_type: SdpType) -> Result<()> {
        let description = SessionDescription { sdp: parse_sdp(sdp, false)?, sdp_type };
        Ok(self.connection.set_remote_description(&description)?)
    }
}

impl Stack for Libdatachannel {
    async fn offer(settings: &Settings) -> Result<(Self, String)> {
        let mut stack = Self::new()?;
        let reliability = Reliability { unordered: settings.unordered, ..Reliability::default() };
        let init = DataChannelInit::default().reliability(reliability);
        stack.channel = Some(stack.connection.create_data_channel_ex("bench", stack.handler.clone(), &init)?);
        let sdp = stack.described().await?;
        Ok((stack, sdp))
    }

    async fn answer(_settings: &Settings, offer: String) -> Result<(Self, String)> {
        let mut stack = Self::new()?;
        stack.hear(&offer, SdpType::Offer)?;
        let sdp = stack.described().await?;
        Ok((stack, sdp))
    }

    async fn accept(&mut self, answer: String) -> Result<()> {
        self.hear(&answer, SdpType::Answer)
    }

    async fn opened(&mut self) -> Result<()> {
        match &self.channel {
            Some(_) => self.opened.recv().await.context("the channel does not open")?,
            None => self.channel = Some(self.channels.recv().await.context("there is no channel")?),
        }
        let channel = self.channel.as_mut().context("there is a channel")?;
        Ok(channel.set_buffered_amount_low_threshold(LOW)?)
    }

    async fn send(&mut self, message: Bytes) -> Result<()> {
        let channel = self.channel.as_mut().context("the channel is open")?;
        while channel.buffered_amount() > HIGH {
            self.handler.has_room.notified().await;
        }
        Ok(channel.send(&message)?)
    }

    async fn recv(&mut self) -> Result<Bytes> {
        self.messages.recv().await.context("the channel closed")
    }
}

fn main() -> Result<()> {
    contest::run(contest::run_here::<Libdatachannel>())
}
