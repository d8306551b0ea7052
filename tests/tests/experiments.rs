//! The experiments in small: what they print has its shape, repeats, and shows that an urgent lane is not starved.

use salus_primitives::lane::Lane;
use salus_primitives::lanes::Policy;
use salus_tests::experiment::Experiment;
use salus_tests::experiment::load::Load;
use salus_tests::experiment::plot::Figure;
use salus_tests::experiment::report::{Row, csv};

fn run(policy: Policy, load: Load) -> Vec<Row> {
    let experiment = Experiment {
        seed: 7,
        validators: 4,
        load,
        policy,
        seconds: 4,
    };
    experiment.run().expect("nothing fails in these worlds")
}

fn emergency(rows: &[Row]) -> &Row {
    rows.iter()
        .find(|row| row.lane == Lane::Emergency)
        .expect("a row a lane")
}

/// As many bulk transactions wait as ever may: emergencies pass them, and nobody's transaction is lost.
#[test]
fn emergencies_are_not_starved_by_bulk() {
    let adapted = run(Policy::Exact, Load::Saturating);
    let alike = run(Policy::Fixed, Load::Saturating);

    for row in adapted.iter().chain(&alike) {
        assert!(row.transactions > 0 && row.unfinished == 0, "{row:?}");
    }
    let (adapted, alike) = (emergency(&adapted), emergency(&alike));
    assert!(
        2.0 * adapted.finality.p99_ms < alike.finality.median_ms,
        "{adapted:?} {alike:?}"
    );
}

/// An emergency that comes in just when a bulk block is proposed waits for that block: for a round of votes, as behind any block, and for
/// no longer than the stated bound beyond that. In virtual time, with 20 validators whose uplinks are the bottleneck.
#[test]
fn bulk_holds_the_next_block_up_no_longer_than_the_stated_bound() {
    let experiment = Experiment {
        seed: 7,
        validators: 20,
        load: Load::Saturating,
        policy: Policy::Exact,
        seconds: 5,
    };

    let holds = experiment.holds().expect("nothing fails in these worlds");

    assert!(
        holds.emergency_us > 0 && holds.bulk_us > holds.emergency_us,
        "{holds:?}"
    );
    assert!(
        holds.bulk_us <= holds.emergency_us + holds.bound_us,
        "{holds:?}"
    );
}

/// The same seed gives the same bytes, and every line has every column.
#[test]
fn tables_and_figures_repeat_and_have_their_shape() {
    let rows = run(Policy::Fastest, Load::Light);
    let again = run(Policy::Fastest, Load::Light);

    let table = csv(&rows);
    assert_eq!(table, csv(&again));
    let columns: Vec<usize> = table.lines().map(|line| line.split(',').count()).collect();
    assert_eq!(columns, [16; 5]);
    for figure in Figure::ALL {
        let svg = figure.draw(&rows).expect("drawn");
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        assert_eq!(Ok(svg), figure.draw(&again));
    }
}
