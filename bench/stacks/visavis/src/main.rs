//! visavis in the contest.

use anyhow::{Context, Result};
use bytes::Bytes;
use contest::{Settings, Stack};
use visavis::{
    ChannelOptions, Config, Congestion, DataChannel, OfferOptions, PeerConnection, SdpType, SessionDescription,
};

struct Visavis {
    connection: PeerConnection,
    channel: Option<DataChannel>,
}

/// The variants: as it is without path MTU discovery, with it, and with BBR instead of CUBIC.
fn config(settings: &Settings) -> Config {
    let congestion = match settings.variant {
        2 => Congestion::Bbr,
        _ => Congestion::default(),
    };
    Config {
        bind_addresses: vec![std::net::Ipv4Addr::LOCALHOST.into()],
        congestion,
        path_mtu_discovery: settings.variant == 1,
        ..Config::default()
    }
}

impl Visavis {
    fn channel(&self) -> Result<&DataChannel> {
        self.channel.as_ref().context("the channel is not open")
    }
}

impl Stack for Visavis {
    async fn offer(settings: &Settings) -> Result<(Self, String)> {
        let connection = PeerConnection::new(config(settings))?;
        let options = ChannelOptions { ordered: !settings.unordered, ..ChannelOptions::default() };
        let channel = Some(connection.create_data_channel("bench", options)?);
        let offer = connection.create_offer(OfferOptions::default()).await?;
        connection.set_local_description(offer).await?;
        let sdp = connection.gathered().await?.sdp;
        Ok((Self { connection, channel }, sdp))
    }

    async fn answer(settings: &Settings, offer: String) -> Result<(Self, String)> {
        let connection = PeerConnection::new(config(settings))?;
        connection.set_remote_description(SessionDescription { kind: SdpType::Offer, sdp: offer }).await?;
        let answer = connection.create_answer().await?;
        connection.set_local_description(answer).await?;
        let sdp = connection.gathered().await?.sdp;
        Ok((Self { connection, channel: None }, sdp))
    }

    async fn accept(&mut self, answer: String) -> Result<()> {
        Ok(self.connection.set_remote_description(SessionDescription { kind: SdpType::Answer, sdp: answer }).await?)
    }

    async fn opened(&mut self) -> Result<()> {
        match &self.channel {
            Some(channel) => channel.opened().await?,
            None => self.channel = Some(self.connection.accept_data_channel().await?),
        }
        Ok(())
    }

    async fn send(&mut self, message: Bytes) -> Result<()> {
        Ok(self.channel()?.send(message).await?)
    }

    async fn recv(&mut self) -> Result<Bytes> {
        let message = self.channel()?.recv().await.context("the channel closed")?;
        Ok(message.into_bytes())
    }

    async fn finish(self) {
        // What was accepted is delivered.
        let _ = self.connection.close().await;
    }
}

fn main() -> Result<()> {
    contest::run_on_one_thread(contest::run_here::<Visavis>())
}
