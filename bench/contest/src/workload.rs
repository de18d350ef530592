//! The workloads.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use bytes::Bytes;

use crate::usage::{Usage, resident_memory};
use crate::{Line, Report, Settings, Stack, Task, Workload, heard, tell};

/// What the first byte of a message says.
const DATA: u8 = 0;
/// The sender has sent this many messages before this one: eight bytes follow.
const LAST: u8 = 1;

fn data(size: usize) -> Bytes {
    Bytes::from(vec![DATA; size.max(1)])
}

fn last(count: u64) -> Bytes {
    let mut message = vec![LAST];
    message.extend(count.to_be_bytes());
    message.into()
}

/// The count of the last message, if this is it.
fn count(message: &[u8]) -> Option<u64> {
    let (first, rest) = message.split_first()?;
    (*first == LAST).then(|| rest.try_into().ok().map(u64::from_be_bytes)).flatten()
}

fn after(start: Instant, seconds: f64) -> tokio::time::Instant {
    (start + Duration::from_secs_f64(seconds)).into()
}

/// Sends until then, even where a message waits for longer.
async fn send_until<S: Stack>(stack: &mut S, payload: &Bytes, end: tokio::time::Instant) -> Result<()> {
    let mut over = std::pin::pin!(tokio::time::sleep_until(end));
    while tokio::time::Instant::now() < end {
        tokio::select! {
            biased;
            sent = stack.send(payload.clone()) => sent?,
            () = &mut over => break,
        }
    }
    Ok(())
}

/// How many messages and bytes come until then.
async fn receive_until<S: Stack>(stack: &mut S, end: tokio::time::Instant) -> Result<(u64, u64)> {
    let mut over = std::pin::pin!(tokio::time::sleep_until(end));
    let (mut messages, mut bytes) = (0, 0);
    while tokio::time::Instant::now() < end {
        tokio::select! {
            biased;
            message = stack.recv() => {
                messages += 1;
                bytes += message?.len() as u64;
            }
            () = &mut over => break,
        }
    }
    Ok((messages, bytes))
}

async fn open_offering<S: Stack>(settings: &Settings) -> Result<S> {
    let (mut stack, offer) = S::offer(settings).await?;
    tell(&Line::Offer(offer))?;
    let Line::Answer(answer) = heard().await? else { bail!("an answer was expected") };
    stack.accept(answer).await?;
    stack.opened().await?;
    Ok(stack)
}

async fn open_answering<S: Stack>(settings: &Settings) -> Result<S> {
    let Line::Offer(offer) = heard().await? else { bail!("an offer was expected") };
    let (mut stack, answer) = S::answer(settings, offer).await?;
    tell(&Line::Answer(answer))?;
    stack.opened().await?;
    Ok(stack)
}

/// Measures from `begun` until now.
fn finish(mut report: Report, begun: (Instant, Usage)) -> Result<Report> {
    let usage = Usage::now()?;
    report.seconds = begun.0.elapsed().as_secs_f64();
    report.cpu = usage.cpu - begun.1.cpu;
    report.peak_memory = usage.peak_memory;
    Ok(report)
}

/// The end that offers: it sends, asks and measures.
pub(crate) async fn offer<S: Stack>(task: &Task) -> Result<Report> {
    match task.workload {
        Workload::Open { count } => {
            let begun = (Instant::now(), Usage::now()?);
            let mut opens = Vec::new();
            for _ in 0..count {
                let start = Instant::now();
                let stack = open_offering::<S>(&task.settings).await?;
                opens.push(start.elapsed().as_secs_f64() * 1e3);
                stack.finish().await;
            }
            finish(Report { opens, ..Report::default() }, begun)
        }
        Workload::Bulk { message, warm_up, seconds, overlap } => {
            let mut stack = open_offering::<S>(&task.settings).await?;
            let payload = data(message);
            send_until(&mut stack, &payload, after(Instant::now(), warm_up)).await?;
            let begun = (Instant::now(), Usage::now()?);
            send_until(&mut stack, &payload, after(begun.0, seconds)).await?;
            let report = finish(Report::default(), begun);
            send_until(&mut stack, &payload, after(Instant::now(), overlap)).await?;
            report
        }
        Workload::RoundTrips { message, count } => {
            let mut stack = open_offering::<S>(&task.settings).await?;
            let payload = data(message);
            // What is first is not what is usual.
            for _ in 0..count / 10 {
                stack.send(payload.clone()).await?;
                stack.recv().await?;
            }
            let begun = (Instant::now(), Usage::now()?);
            let mut round_trips = Vec::with_capacity(count);
            for _ in 0..count {
                let sent = Instant::now();
                stack.send(payload.clone()).await?;
                stack.recv().await?;
                // More digits would only make the results longer.
                round_trips.push((sent.elapsed().as_secs_f64() * 1e7).round() / 10.0);
            }
            round_trips.sort_by(f64::total_cmp);
            let report = Report { round_trips, messages: count as u64, ..Report::default() };
            let report = finish(report, begun);
            stack.send(last(0)).await?;
            stack.finish().await;
            report
        }
        Workload::Pairs { .. } => bail!("pairs are made in one process"),
    }
}

/// The end that answers.
pub(crate) async fn answer<S: Stack>(task: &Task) -> Result<Report> {
    match task.workload {
        Workload::Open { count } => {
            let begun = (Instant::now(), Usage::now()?);
            // The other side says when a connection ends.
            let mut all = Vec::new();
            for _ in 0..count {
                all.push(open_answering::<S>(&task.settings).await?);
            }
            finish(Report::default(), begun)
        }
        Workload::Bulk { warm_up, seconds, .. } => {
            let mut stack = open_answering::<S>(&task.settings).await?;
            receive_until(&mut stack, after(Instant::now(), warm_up)).await?;
            let begun = (Instant::now(), Usage::now()?);
            let (messages, bytes) = receive_until(&mut stack, after(begun.0, seconds)).await?;
            let report = finish(Report { messages, bytes, ..Report::default() }, begun);
            // The other end still sends, and is not to see this one close.
            std::mem::forget(stack);
            report
        }
        Workload::RoundTrips { .. } => {
            let mut stack = open_answering::<S>(&task.settings).await?;
            let begun = (Instant::now(), Usage::now()?);
            loop {
                let message = stack.recv().await?;
                if count(&message).is_some() {
                    break;
                }
                stack.send(message).await?;
            }
            finish(Report::default(), begun)
        }
        Workload::Pairs { .. } => bail!("pairs are made in one process"),
    }
}

/// Both ends in one process.
pub(crate) async fn pairs<S: Stack>(task: &Task) -> Result<Report> {
    let Workload::Pairs { count, at_a_time } = task.workload else { bail!("only pairs are made in one process") };
    // What every process has once is not what a connection costs.
    let first = open_pair::<S>(&task.settings).await?;
    let memory = resident_memory()?;
    let begun = (Instant::now(), Usage::now()?);
    let mut all = Vec::new();
    while all.len() < count {
        let opening = (0..at_a_time.min(count - all.len())).map(|_| open_pair::<S>(&task.settings));
        for pair in join_all(opening).await {
            all.push(pair?);
        }
    }
    let mut report = finish(Report { messages: count as u64, ..Report::default() }, begun)?;
    report.idle_memory = resident_memory()?.saturating_sub(memory) / (2 * count as u64);
    drop((first, all));
    Ok(report)
}

async fn open_pair<S: Stack>(settings: &Settings) -> Result<(S, S)> {
    let (mut one, offer) = S::offer(settings).await?;
    let (mut other, answer) = S::answer(settings, offer).await?;
    one.accept(answer).await?;
    let (first, second) = tokio::join!(one.opened(), other.opened());
    first.and(second)?;
    Ok((one, other))
}

/// All of them at once, on this task.
async fn join_all<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut waiting: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, done) in &mut waiting {
            if done.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *done = Some(value);
            }
        }
        match waiting.iter().all(|(_, done)| done.is_some()) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    waiting.into_iter().filter_map(|(_, done)| done).collect()
}
