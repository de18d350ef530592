//! Which path is found: through NATs, with names, from both families.

use std::net::IpAddr;
use std::time::Duration;

use sim::Link;
use visavis_session::{Event, SessionDescription};

use crate::common::{PATIENCE, World};

#[test]
fn a_name_is_looked_up_and_a_failing_one_harms_nothing() {
    let mut world = World::new(1, Link::delay(Duration::from_millis(5)));
    let (a, b) = (world.a, world.b);
    world.open(a, "channel");
    let offer = world.offer(a);
    // As a browser hides its address, with another name that leads nowhere.
    let named = offer.sdp.replace("192.0.2.1 1000", "4f3c1a52-0000-4000-8000-000000000001.local 1000");
    let candidate = named.lines().find(|line| line.starts_with("a=candidate:")).unwrap();
    let dead =
        candidate.replace("0000-4000-8000-000000000001", "0000-4000-8000-00000000dead").replace(" 1000 ", " 1001 ");
    let sdp = named.replace(candidate, &format!("{dead}\r\n{candidate}"));
    assert_eq!(sdp.matches(".local").count(), 2, "{sdp}");
    let answer = world.answer(b, SessionDescription::offer(sdp));
    let names: Vec<String> = world
        .host(b)
        .events
        .iter()
        .filter_map(|event| if let Event::Resolve(name) = event { Some(name.clone()) } else { None })
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
    for name in names {
        let address = (!name.contains("dead")).then(|| "192.0.2.1".parse::<IpAddr>().unwrap());
        world.on(b, |now, host| host.session.handle_resolved(now, &name, address));
    }
    world.accept(a, answer);
    world.await_open(1);
    world.network.run_for(PATIENCE);
    assert!(world.host(b).is_connected());
}
