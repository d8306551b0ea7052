//! Where validators stand, how fast they are, and how far apart.

/// A network of validators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct World {
    places: Vec<Place>,
}

/// One validator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    region: usize,
    /// How many times as long as the fastest it takes for everything.
    slowness: u64,
}

/// Round trips between regions in milliseconds; 2 within one.
pub const ROUND_TRIP_MS: [[u64; 5]; 5] = [
    [2, 20, 80, 160, 250],
    [20, 2, 100, 150, 240],
    [80, 100, 2, 120, 190],
    [160, 150, 120, 2, 90],
    [250, 240, 190, 90, 2],
];
/// What a validator sends in a second at most, in bits, to all peers together.
pub const UPLINK_BPS: u64 = 1_000_000_000;
/// How slow validators are; every region has some of each, if there are enough.
const SLOWNESS: [u64; 5] = [1, 2, 1, 8, 4];

impl World {
    /// So many validators, spread evenly over the regions.
    #[must_use]
    pub fn new(validators: usize) -> Self {
        let place = |n: usize| Place {
            region: n % ROUND_TRIP_MS.len(),
            slowness: SLOWNESS[(n + n / ROUND_TRIP_MS.len()) % SLOWNESS.len()],
        };
        Self {
            places: (0..validators).map(place).collect(),
        }
    }

    /// How many validators.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Never true.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The way from one to another, in microseconds.
    #[must_use]
    pub fn one_way_us(&self, from: usize, to: usize) -> u64 {
        let (from, to) = (self.places[from].region, self.places[to].region);
        ROUND_TRIP_MS[from][to] * 1_000 / 2
    }

    /// How many times as long as the fastest it takes.
    #[must_use]
    pub fn slowness(&self, node: usize) -> u64 {
        self.places[node].slowness
    }

    /// How long so many bytes occupy an uplink, in microseconds.
    #[must_use]
    pub const fn sending_us(bytes: u64) -> u64 {
        (bytes * 8 * 1_000_000).div_ceil(UPLINK_BPS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_are_as_long_back_as_there_and_between_2_and_250_ms() {
        let trips: Vec<u64> = ROUND_TRIP_MS.as_flattened().to_vec();

        assert_eq!(
            (trips.iter().min(), trips.iter().max()),
            (Some(&2), Some(&250))
        );
        for (a, row) in ROUND_TRIP_MS.iter().enumerate() {
            for (b, trip) in row.iter().enumerate() {
                assert_eq!(*trip, ROUND_TRIP_MS[b][a]);
            }
        }
    }

    #[test]
    fn every_region_has_fast_and_slow_validators() {
        let world = World::new(25);
        for region in 0..5 {
            let mut slowness: Vec<u64> =
                (region..25).step_by(5).map(|n| world.slowness(n)).collect();
            slowness.sort_unstable();
            assert_eq!(slowness, [1, 1, 2, 4, 8]);
        }
    }
}
