//! webrtc-rs 0.21 in the contest.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use bytes::{Bytes, BytesMut};
use contest::{Settings, Stack};
use tokio::sync::mpsc;
use webrtc::data_channel::{DataChannel, DataChannelEvent, RTCDataChannelInit};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCConfigurationBuilder, RTCIceGatheringState,
    RTCSessionDescription,
};
use webrtc::runtime::TokioRuntime;

struct Webrtc {
    connection: Arc<dyn PeerConnection>,
    channel: Option<Arc<dyn DataChannel>>,
    channels: mpsc::UnboundedReceiver<Arc<dyn DataChannel>>,
}

#[derive(Clone)]
struct Handler {
    gathered: mpsc::UnboundedSender<()>,
    channels: mpsc::UnboundedSender<Arc<dyn DataChannel>>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            let _ = self.gathered.send(());
        }
    }

    async fn on_data_channel(&self, channel: Arc<dyn DataChannel>) {
        let _ = self.channels.send(channel);
    }
}

/// Without a limit its `send` takes everything at once, and memory grows with the transfer.
const SEND_BUFFER: usize = 4 << 20;

impl Webrtc {
    async fn new() -> Result<(Self, mpsc::UnboundedReceiver<()>)> {
        let (gathered, has_gathered) = mpsc::unbounded_channel();
        let (say_channel, channels) = mpsc::unbounded_channel();
        let connection = PeerConnectionBuilder::new()
            .with_configuration(RTCConfigurationBuilder::new().build())
            .with_handler(Arc::new(Handler { gathered, channels: say_channel }))
            .with_runtime(Arc::new(TokioRuntime))
            .with_udp_addrs(vec!["127.0.0.1:0".to_string()])
            .with_data_channel_send_buffer_limit(SEND_BUFFER)
            .build()
            .await?;
        Ok((Self { connection: Arc::new(connection), channel: None, channels }, has_gathered))
    }

    async fn described(&self, mut gathered: mpsc::UnboundedReceiver<()>) -> Result<String> {
        gathered.recv().await.context("gathering does not end")?;
        Ok(self.connection.local_description().await.context("there is a description")?.sdp)
    }

    fn channel(&self) -> Result<&Arc<dyn DataChannel>> {
        self.channel.as_ref().context("the channel is not open")
    }
}

impl Stack for Webrtc {
    async fn offer(settings: &Settings) -> Result<(Self, String)> {
        let (mut stack, gathered) = Self::new().await?;
        let init = RTCDataChannelInit { ordered: !settings.unordered, ..Default::default() };
        stack.channel = Some(stack.connection.create_data_channel("bench", Some(init)).await?);
        let offer = stack.connection.create_offer(None).await?;
        stack.connection.set_local_description(offer).await?;
        let sdp = stack.described(gathered).await?;
        Ok((stack, sdp))
    }

    async fn answer(_settings: &Settings, offer: String) -> Result<(Self, String)> {
        let (stack, gathered) = Self::new().await?;
        stack.connection.set_remote_description(RTCSessionDescription::offer(offer)?).await?;
        let answer = stack.connection.create_answer(None).await?;
        stack.connection.set_local_description(answer).await?;
        let sdp = stack.described(gathered).await?;
        Ok((stack, sdp))
    }

    async fn accept(&mut self, answer: String) -> Result<()> {
        Ok(self.connection.set_remote_description(RTCSessionDescription::answer(answer)?).await?)
    }

    async fn opened(&mut self) -> Result<()> {
        if self.channel.is_none() {
            self.channel = Some(self.channels.recv().await.context("there is no channel")?);
        }
        loop {
            match self.channel()?.poll().await {
                Some(DataChannelEvent::OnOpen) => return Ok(()),
                Some(DataChannelEvent::OnClose) | None => bail!("the channel closed"),
                Some(_) => {}
            }
        }
    }

    async fn send(&mut self, message: Bytes) -> Result<()> {
        Ok(self.channel()?.send(BytesMut::from(&message[..])).await?)
    }

    async fn recv(&mut self) -> Result<Bytes> {
        loop {
            match self.channel()?.poll().await {
                Some(DataChannelEvent::OnMessage(message)) => return Ok(message.data.freeze()),
                Some(DataChannelEvent::OnClose) | None => bail!("the channel closed"),
                Some(_) => {}
            }
        }
    }
}

fn main() -> Result<()> {
    contest::run(contest::run_here::<Webrtc>())
}
