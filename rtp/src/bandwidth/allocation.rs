//! The estimate split among what is sent.

use super::Bitrate;

/// For a layer that is off to be switched on, so much of all that it takes is to be left over, in percent: so that it
/// does not go on and off as the estimate moves, which goes up to a limit and back by 15 %.
const HYSTERESIS: u64 = 20;

/// A stream, or a simulcast layer of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layer {
    /// With less than this it is better not sent.
    pub min: Bitrate,
    /// With this it looks as it should.
    pub target: Bitrate,
    /// More than this is of no use.
    pub max: Bitrate,
    /// Whether it is wanted at all.
    pub active: bool,
    /// Whether it is being sent: what [`allocate`] last gave it was more than nothing.
    pub sending: bool,
}

/// Splits `total` among layers in the order of their importance: a lower layer gets its target before the next one is
/// switched on at all, which is done whole or not, and with something to spare where it was off. What is left then goes
/// to the layers that are on, from the highest down, up to their `max`.
///
/// The first active layer is never switched off: it gets all there is where that is less than its least rate.
pub fn allocate(total: Bitrate, layers: &[Layer]) -> Vec<Bitrate> {
    let mut rates = vec![Bitrate(0); layers.len()];
    let mut left = total.0;
    let mut is_first = true;
    for (rate, layer) in rates.iter_mut().zip(layers).filter(|(_, layer)| layer.active) {
        let used = (total.0 - left).saturating_add(layer.min.0);
        let spare = if layer.sending { 0 } else { used / 100 * HYSTERESIS };
        if !is_first && (left == 0 || left < layer.min.0.saturating_add(spare)) {
            break;
        }
        is_first = false;
        let wanted = layer.target.max(layer.min).min(layer.max.max(layer.min));
        rate.0 = wanted.0.min(left);
        left -= rate.0;
    }
    for (rate, layer) in rates.iter_mut().zip(layers).rev().filter(|(rate, _)| rate.0 > 0) {
        let more = layer.max.0.saturating_sub(rate.0).min(left);
        rate.0 += more;
        left -= more;
    }
    rates
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn layer(min: u64, target: u64, max: u64) -> Layer {
        Layer { min: Bitrate(min), target: Bitrate(target), max: Bitrate(max), active: true, sending: false }
    }

    /// As browsers have it: 320, 640 and 1280 pixels wide.
    const SIMULCAST: [Layer; 3] = [layer(50, 150, 200), layer(150, 500, 700), layer(600, 2500, 2500)];

    fn rates(total: u64, layers: &[Layer]) -> Vec<u64> {
        allocate(Bitrate(total), layers).into_iter().map(|rate| rate.0).collect()
    }

    #[test]
    fn lower_layers_come_first_and_higher_ones_whole() {
        assert_eq!(rates(0, &SIMULCAST), [0, 0, 0]);
        assert_eq!(rates(30, &SIMULCAST), [30, 0, 0]);
        assert_eq!(rates(290, &SIMULCAST), [200, 0, 0]);
        assert_eq!(rates(400, &SIMULCAST), [150, 250, 0]);
        assert_eq!(rates(1000, &SIMULCAST), [200, 700, 0]);
        assert_eq!(rates(2000, &SIMULCAST), [150, 500, 1350]);
        assert_eq!(rates(9000, &SIMULCAST), [200, 700, 2500]);
    }

    #[test]
    fn a_layer_that_is_on_stays_on_where_it_would_not_be_switched_on() {
        let mut layers = SIMULCAST;
        assert_eq!(rates(310, &layers), [200, 0, 0]);
        layers[1].sending = true;
        assert_eq!(rates(310, &layers), [150, 160, 0]);
        assert_eq!(rates(299, &layers), [200, 0, 0]);
    }

    #[test]
    fn what_is_not_wanted_gets_nothing() {
        let mut layers = SIMULCAST;
        layers[0].active = false;
        layers[2].active = false;
        assert_eq!(rates(600, &layers), [0, 600, 0]);
        assert_eq!(rates(600, &[]), [0; 0]);
    }

    fn any_layer() -> impl Strategy<Value = Layer> {
        (any::<u32>(), any::<u32>(), any::<u32>(), any::<bool>(), any::<bool>()).prop_map(
            |(min, target, max, active, sending)| Layer {
                active,
                sending,
                ..layer(min.into(), target.into(), max.into())
            },
        )
    }

    proptest! {
        #[test]
        fn no_more_is_given_than_there_is(total: u64, layers in prop::collection::vec(any_layer(), 0..8)) {
            let rates = rates(total, &layers);
            prop_assert!(rates.iter().map(|rate| u128::from(*rate)).sum::<u128>() <= u128::from(total));
            let first = layers.iter().position(|layer| layer.active);
            for (place, (rate, layer)) in rates.iter().zip(&layers).enumerate() {
                prop_assert!(*rate == 0 || (layer.active && *rate <= layer.max.0.max(layer.min.0)));
                prop_assert!(*rate == 0 || Some(place) == first || *rate >= layer.min.0.min(layer.max.0.max(layer.min.0)));
            }
        }
    }
}
