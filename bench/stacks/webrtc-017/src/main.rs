//! webrtc-rs 0.17, the last of the first design, in the contest.

use std::sync::Arc;

use anyhow::{Context, Result};
use bytes::Bytes;
use contest::{Settings, Stack};
use tokio::sync::{Notify, mpsc};
use webrtc::api::APIBuilder;
use webrtc::api::setting_engine::SettingEngine;
use webrtc::data_channel::RTCDataChannel;
use webrtc::data_channel::data_channel_init::RTCDataChannelInit;
use webrtc::peer_connection::RTCPeerConnection;
use webrtc::peer_connection::configuration::RTCConfiguration;
use webrtc::peer_connection::sdp::session_description::RTCSessionDescription;

struct Webrtc {
    connection: RTCPeerConnection,
    channel: Option<Arc<RTCDataChannel>>,
    opened: mpsc::UnboundedReceiver<Arc<RTCDataChannel>>,
    say_opened: mpsc::UnboundedSender<Arc<RTCDataChannel>>,
    messages: mpsc::UnboundedReceiver<Bytes>,
    say_message: mpsc::UnboundedSender<Bytes>,
    has_room: Arc<Notify>,
}

/// Its `send` never waits; who sends more than this at a time fills the memory.
const HIGH: usize = 4 << 20;
const LOW: usize = 1 << 20;

impl Webrtc {
    async fn new() -> Result<Self> {
        let mut engine = SettingEngine::default();
        engine.set_include_loopback_candidate(true);
        engine.set_ip_filter(Box::new(|address| address.is_loopback() && address.is_ipv4()));
        let connection = APIBuilder::new()
            .with_setting_engine(engine)
            .build()
            .new_peer_connection(RTCConfiguration::default())
            .await?;
        let (say_opened, opened) = mpsc::unbounded_channel();
        let (say_message, messages) = mpsc::unbounded_channel();
        let has_room = Arc::new(Notify::new());
        Ok(Self { connection, channel: None, opened, say_opened, messages, say_message, has_room })
    }

    async fn described(&self, description: RTCSessionDescription) -> Result<String> {
        let mut gathered = self.connection.gathering_complete_promise().await;
        self.connection.set_local_description(description).await?;
        // It ends by dropping its end.
        let _ = gathered.recv().await;
        Ok(self.connection.local_description().await.context("there is a description")?.sdp)
    }
}

/// Passes on what a channel tells.
async fn listen(
    channel: &Arc<RTCDataChannel>,
    opened: mpsc::UnboundedSender<Arc<RTCDataChannel>>,
    messages: mpsc::UnboundedSender<Bytes>,
    has_room: Arc<Notify>,
) {
    let own = channel.clone();
    channel.on_open(Box::new(move || {
        let _ = opened.send(own);
        Box::pin(async {})
    }));
    channel.on_message(Box::new(move |message| {
        let _ = messages.send(message.data);
        Box::pin(async {})
    }));
    channel.set_buffered_amount_low_threshold(LOW).await;
    channel
        .on_buffered_amount_low(Box::new(move || {
            has_room.notify_one();
            Box::pin(async {})
        }))
        .await;
}

impl Stack for Webrtc {
    async fn offer(settings: &Settings) -> Result<(Self, String)> {
        let stack = Self::new().await?;
        let init = RTCDataChannelInit { ordered: Some(!settings.unordered), ..Default::default() };
        let channel = stack.connection.create_data_channel("bench", Some(init)).await?;
        listen(&channel, stack.say_opened.clone(), stack.say_message.clone(), stack.has_room.clone()).await;
        let offer = stack.connection.create_offer(None).await?;
        let sdp = stack.described(offer).await?;
        Ok((stack, sdp))
    }

    async fn answer(_settings: &Settings, offer: String) -> Result<(Self, String)> {
        let stack = Self::new().await?;
        let (opened, messages, has_room) =
            (stack.say_opened.clone(), stack.say_message.clone(), stack.has_room.clone());
        stack.connection.on_data_channel(Box::new(move |channel| {
            let (opened, messages, has_room) = (opened.clone(), messages.clone(), has_room.clone());
            Box::pin(async move { listen(&channel, opened, messages, has_room).await })
        }));
        stack.connection.set_remote_description(RTCSessionDescription::offer(offer)?).await?;
        let answer = stack.connection.create_answer(None).await?;
        let sdp = stack.described(answer).await?;
        Ok((stack, sdp))
    }

    async fn accept(&mut self, answer: String) -> Result<()> {
        Ok(self.connection.set_remote_description(RTCSessionDescription::answer(answer)?).await?)
    }

    async fn opened(&mut self) -> Result<()> {
        self.channel = Some(self.opened.recv().await.context("the channel does not open")?);
        Ok(())
    }

    async fn send(&mut self, message: Bytes) -> Result<()> {
        let channel = self.channel.as_ref().context("the channel is open")?;
        while channel.buffered_amount().await > HIGH {
            self.has_room.notified().await;
        }
        channel.send(&message).await?;
        Ok(())
    }

    async fn recv(&mut self) -> Result<Bytes> {
        self.messages.recv().await.context("the channel closed")
    }
}

fn main() -> Result<()> {
    // Built together with other stacks there may be two to choose from, and it chooses none.
    let _ = rustls::crypto::ring::default_provider().install_default();
    contest::run(contest::run_here::<Webrtc>())
}
