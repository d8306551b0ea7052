//! The figures: a panel for each size of network and load, bars by lane and policy, on a logarithmic axis.

use super::founding::POLICIES;
use super::load::Load;
use super::report::Row;
use plotters::coord::Shift;
use plotters::prelude::*;
use salus_primitives::lane::Lane;
use salus_primitives::lanes::Policy;
use std::collections::BTreeSet;

/// Why a figure was not drawn.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot draw: {0}")]
pub struct DrawError(String);

/// What a figure shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Until attested.
    Attested,
    /// Until final.
    Final,
    /// Cost of a transaction.
    Cost,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Of a panel, in pixels.
const PANEL: (u32, u32) = (400, 270);
const HEAD: u32 = 62;
const TITLE: (&str, u32) = ("sans-serif", 18);
const LABEL: (&str, u32) = ("sans-serif", 12);
/// Bars of a lane stand between -0.4 and 0.4 of it.
const BARS: f64 = 0.8;

impl Figure {
    /// All.
    pub const ALL: [Self; 3] = [Self::Attested, Self::Final, Self::Cost];

    /// Its file, without extension.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Attested => "attested",
            Self::Final => "final",
            Self::Cost => "cost",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Attested => {
                "From submission to attestation at the client's node: bars to the median, lines to the 99th percentile"
            }
            Self::Final => {
                "From submission to finality at the client's node: bars to the median, lines to the 99th percentile"
            }
            Self::Cost => {
                "The paper's C a transaction: its verifiers' answers a second, by the transactions in the block"
            }
        }
    }

    const fn unit(self) -> &'static str {
        match self {
            Self::Attested | Self::Final => "milliseconds",
            Self::Cost => "C a transaction",
        }
    }

    /// Where the bar ends, and where the line above it.
    const fn values(self, row: &Row) -> (f64, f64) {
        match self {
            Self::Attested => (row.attested.median_ms, row.attested.p99_ms),
            Self::Final => (row.finality.median_ms, row.finality.p99_ms),
            Self::Cost => (row.cost_transaction, row.cost_transaction),
        }
    }

    /// Draws it as SVG.
    ///
    /// # Errors
    /// [`DrawError`].
    pub fn draw(self, rows: &[Row]) -> Result<String, DrawError> {
        let sizes: BTreeSet<usize> = rows.iter().map(|row| row.validators).collect();
        let loads: BTreeSet<Load> = rows.iter().map(|row| row.load).collect();
        let (columns, lines) = (sizes.len().max(1), loads.len().max(1));
        let width = PANEL.0 * u32::try_from(columns).unwrap_or(1);
        let height = PANEL.1 * u32::try_from(lines).unwrap_or(1) + HEAD;
        let mut svg = String::new();
        {
            let area = SVGBackend::with_string(&mut svg, (width, height)).into_drawing_area();
            area.fill(&WHITE).map_err(drawing)?;
            let (head, body) = area.split_vertically(HEAD);
            self.draw_head(&head)?;
            let positive = || {
                rows.iter()
                    .flat_map(|row| [self.values(row).0, self.values(row).1])
                    .filter(|value| *value > 0.0)
            };
            let low = power_below(positive().fold(f64::INFINITY, f64::min));
            let high = positive().fold(0.0, f64::max) * 1.5;
            let panels = body.split_evenly((lines, columns));
            let places = loads
                .iter()
                .flat_map(|load| sizes.iter().map(move |size| (*load, *size)));
            for (panel, (load, size)) in panels.iter().zip(places) {
                let rows: Vec<&Row> = rows
                    .iter()
                    .filter(|row| row.load == load && row.validators == size)
                    .collect();
                let title = format!("{size} validators, {} load", load.name());
                self.draw_panel(panel, &title, &rows, (low, high))?;
            }
            area.present().map_err(drawing)?;
        }
        Ok(svg)
    }

    fn draw_head(self, head: &Area<'_>) -> Result<(), DrawError> {
        head.draw(&Text::new(self.title(), (12, 10), TITLE))
            .map_err(drawing)?;
        for (n, policy) in (0i32..).zip(POLICIES) {
            let x = 14 + 110 * n;
            head.draw(&Rectangle::new(
                [(x, 38), (x + 14, 52)],
                colour(policy).filled(),
            ))
            .map_err(drawing)?;
            head.draw(&Text::new(policy.name(), (x + 20, 38), LABEL))
                .map_err(drawing)?;
        }
        Ok(())
    }

    fn draw_panel(
        self,
        panel: &Area<'_>,
        title: &str,
        rows: &[&Row],
        (low, high): (f64, f64),
    ) -> Result<(), DrawError> {
        let mut chart = ChartBuilder::on(panel)
            .caption(title, ("sans-serif", 14))
            .margin(8)
            .x_label_area_size(26)
            .y_label_area_size(58)
            .build_cartesian_2d(-0.5..3.5f64, (low..high).log_scale())
            .map_err(drawing)?;
        let lane = |x: &f64| {
            let at = Lane::ALL.into_iter().zip(0u32..);
            at.filter(|(_, n)| (x - f64::from(*n)).abs() < 0.01)
                .map(|(lane, _)| lane.name().to_owned())
                .collect::<String>()
        };
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(WHITE)
            .x_labels(9)
            .x_label_formatter(&lane)
            .y_desc(self.unit())
            .y_label_formatter(&|value| label(*value))
            .label_style(LABEL)
            .draw()
            .map_err(drawing)?;
        for row in rows {
            let (bar, line) = self.values(row);
            let (Some(lane), Some(policy)) = (
                (0u32..).zip(Lane::ALL).find(|(_, it)| *it == row.lane),
                (0u32..).zip(POLICIES).find(|(_, it)| *it == row.policy),
            ) else {
                continue;
            };
            if bar <= 0.0 {
                continue;
            }
            let width = BARS / 4.0;
            let left = f64::from(lane.0) - BARS / 2.0 + width * f64::from(policy.0);
            let middle = left + width / 2.0;
            chart
                .draw_series([Rectangle::new(
                    [(left, low), (left + width * 0.9, bar)],
                    colour(row.policy).filled(),
                )])
                .map_err(drawing)?;
            chart
                .draw_series([PathElement::new(vec![(middle, bar), (middle, line)], BLACK)])
                .map_err(drawing)?;
        }
        Ok(())
    }
}

/// The greatest power of ten that is not above a value: where bars stand.
fn power_below(value: f64) -> f64 {
    let mut power = 1.0;
    while power > value && power > 1e-9 {
        power /= 10.0;
    }
    while power * 10.0 <= value && power < 1e9 {
        power *= 10.0;
    }
    power
}

fn label(value: f64) -> String {
    if value >= 1.0 {
        format!("{value:.0}")
    } else {
        format!("{value}")
    }
}

const fn colour(policy: Policy) -> RGBColor {
    match policy {
        Policy::Exact => RGBColor(0x1b, 0x6c, 0xa8),
        Policy::Fastest => RGBColor(0x5f, 0xb0, 0x9c),
        Policy::Rotating => RGBColor(0xe0, 0xa0, 0x30),
        Policy::Fixed => RGBColor(0xb0, 0x40, 0x40),
    }
}

fn drawing(error: impl std::fmt::Display) -> DrawError {
    DrawError(error.to_string())
}
