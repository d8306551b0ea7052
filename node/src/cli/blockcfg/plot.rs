//! `salus blockcfg plot`: the paper's figures 3 and 4, drawn from the solver itself.

use super::instances::table_two;
use super::{Failure, Outcome, float};
use crate::cli::files::{make_folder, write_new};
use clap::Args;
use plotters::coord::Shift;
use plotters::prelude::*;
use salus_contracts::native::blockcfg::solver::{
    Method, Problem, ProblemError, evaluate, solve, trace,
};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Where the files go; made if it is missing.
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
}

/// Why a figure was not drawn.
#[derive(Debug, thiserror::Error)]
enum PlotError {
    #[error(transparent)]
    Problem(#[from] ProblemError),
    #[error("cannot draw: {0}")]
    Drawing(String),
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

pub(super) fn run(arguments: &Arguments) -> Outcome {
    let problem = table_two();
    let surface = surface(&problem).map_err(Failure::failed)?;
    let curves = curves(&problem).map_err(Failure::failed)?;
    make_folder(&arguments.out)?;
    for (name, content) in [
        ("utility.csv", surface_csv(&surface)),
        ("utility.svg", draw(|area| draw_surface(area, &surface))?),
        ("convergence.csv", curves_csv(&curves)),
        ("convergence.svg", draw(|area| draw_curves(area, &curves))?),
    ] {
        let path = arguments.out.join(name);
        write_new(&path, content.as_bytes())?;
        println!("{}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// U of the m fastest verifiers and theta transactions.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Point {
    verifiers: u64,
    transactions: u64,
    utility: f64,
}

fn surface(problem: &Problem) -> Result<Vec<Point>, PlotError> {
    let mut by_speed: Vec<usize> = (0..problem.verifiers.len()).collect();
    // the problem lists them from the fastest to the slowest
    let mut points = Vec::new();
    for verifiers in (problem.min_verifiers..=problem.max_verifiers).rev() {
        by_speed.truncate(usize::try_from(verifiers).unwrap_or(usize::MAX));
        for transactions in problem.min_transactions..=problem.max_transactions {
            points.push(Point {
                verifiers,
                transactions,
                utility: float(&evaluate(problem, &by_speed, transactions)?.utility),
            });
        }
    }
    points.reverse();
    Ok(points)
}

/// The least U that a method has found after each evaluation.
#[derive(Clone, Debug, PartialEq)]
struct Curve {
    method: Method,
    least: Vec<f64>,
    /// What it answers in the end.
    answer: Option<f64>,
}

fn curves(problem: &Problem) -> Result<Vec<Curve>, PlotError> {
    Method::ALL
        .into_iter()
        .map(|method| {
            let tried = trace(problem, method)?;
            let least = tried.iter().scan(f64::INFINITY, |least, utility| {
                *least = least.min(float(utility));
                Some(*least)
            });
            Ok(Curve {
                method,
                least: least.collect(),
                answer: solve(problem, method)?
                    .solution
                    .map(|it| float(&it.utility)),
            })
        })
        .collect()
}

fn surface_csv(points: &[Point]) -> String {
    let mut csv = String::from("m,theta,utility\n");
    for point in points {
        let Point {
            verifiers,
            transactions,
            utility,
        } = point;
        let _ = writeln!(csv, "{verifiers},{transactions},{utility}");
    }
    csv
}

fn curves_csv(curves: &[Curve]) -> String {
    let mut csv = String::from("method,evaluation,least_utility\n");
    for curve in curves {
        for (least, evaluation) in curve.least.iter().zip(1..) {
            let _ = writeln!(csv, "{},{evaluation},{least}", curve.method.name());
        }
    }
    csv
}

fn draw(figure: impl FnOnce(&Area<'_>) -> Result<(), PlotError>) -> Result<String, Failure> {
    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
    area.fill(&WHITE)
        .map_err(drawing)
        .and_then(|()| figure(&area))
        .and_then(|()| area.present().map_err(drawing))
        .map_err(Failure::failed)?;
    drop(area);
    Ok(svg)
}

/// Figure 3: a map, darker where U is less, with the least of all.
fn draw_surface(area: &Area<'_>, points: &[Point]) -> Result<(), PlotError> {
    let utilities = || points.iter().map(|point| point.utility);
    let (low, high) = (
        utilities().fold(f64::INFINITY, f64::min),
        utilities().fold(0.0, f64::max),
    );
    let shade = |utility: f64| ViridisRGB.get_color_normalized(utility, low, high);
    let extent = |of: fn(&Point) -> u64| {
        let values = || points.iter().map(of);
        let (least, most) = (values().min().unwrap_or(0), values().max().unwrap_or(0));
        least as f64 - 0.5..most as f64 + 0.5
    };
    let (map, legend) = area.split_horizontally(SIZE.0 - 110);
    let mut chart = ChartBuilder::on(&map)
        .caption("U over m and theta (the m fastest verifiers)", TITLE)
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(54)
        .build_cartesian_2d(extent(|it| it.transactions), extent(|it| it.verifiers))
        .map_err(drawing)?;
    chart
        .configure_mesh()
        .disable_mesh()
        .x_desc("theta: transactions a block")
        .y_desc("m: verifiers")
        .x_label_formatter(&|value| format!("{value:.0}"))
        .y_label_formatter(&|value| format!("{value:.0}"))
        .label_style(LABEL)
        .draw()
        .map_err(drawing)?;
    chart
        .draw_series(points.iter().map(|point| {
            let (x, y) = (point.transactions as f64, point.verifiers as f64);
            Rectangle::new(
                [(x - 0.5, y - 0.5), (x + 0.5, y + 0.5)],
                shade(point.utility).filled(),
            )
        }))
        .map_err(drawing)?;
    let best = points.iter().min_by(|a, b| a.utility.total_cmp(&b.utility));
    if let Some(best) = best {
        let at = (best.transactions as f64, best.verifiers as f64);
        let text = format!(
            "least U {:.4}: m {}, theta {}",
            best.utility, best.verifiers, best.transactions
        );
        chart
            .draw_series([Circle::new(at, 5, WHITE.stroke_width(2))])
            .map_err(drawing)?;
        chart
            .draw_series([
                EmptyElement::at(at) + Text::new(text, (9, -6), LABEL.into_font().color(&WHITE))
            ])
            .map_err(drawing)?;
    }
    draw_scale(&legend, low, high, shade)
}

/// What the shades mean.
fn draw_scale(
    area: &Area<'_>,
    low: f64,
    high: f64,
    shade: impl Fn(f64) -> RGBColor,
) -> Result<(), PlotError> {
    let mut chart = ChartBuilder::on(area)
        .margin_top(40)
        .margin_bottom(56)
        .margin_right(64)
        .right_y_label_area_size(0)
        .y_label_area_size(0)
        .build_cartesian_2d(0.0..1.0, low..high)
        .map_err(drawing)?;
    let step = (high - low) / f64::from(SHADES);
    chart
        .draw_series((0..SHADES).map(|n| {
            let from = low + step * f64::from(n);
            Rectangle::new([(0.0, from), (1.0, from + step)], shade(from).filled())
        }))
        .map_err(drawing)?;
    for n in 0..=4 {
        let utility = low + (high - low) * f64::from(n) / 4.0;
        chart
            .draw_series([EmptyElement::at((1.0, utility))
                + Text::new(format!("{utility:.3}"), (6, -6), LABEL)])
            .map_err(drawing)?;
    }
    Ok(())
}

/// Figure 4: evaluations across, on a logarithmic axis.
fn draw_curves(area: &Area<'_>, curves: &[Curve]) -> Result<(), PlotError> {
    let all = || curves.iter().flat_map(|curve| curve.least.iter().copied());
    let (low, high) = (
        all().fold(f64::INFINITY, f64::min),
        all().fold(0.0, f64::max),
    );
    let longest = curves
        .iter()
        .map(|curve| curve.least.len())
        .max()
        .unwrap_or(1);
    let pad = 0.05 * (high - low);
    let mut chart = ChartBuilder::on(area)
        .caption("The least U found, by evaluations of U", TITLE)
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(
            (1.0..longest as f64 * 1.1).log_scale(),
            low - pad..high + pad,
        )
        .map_err(drawing)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_desc("evaluations")
        .y_desc("least U so far")
        .x_label_formatter(&|value| format!("{value:.0}"))
        .y_label_formatter(&|value| format!("{value:.3}"))
        .label_style(LABEL)
        .draw()
        .map_err(drawing)?;
    for (curve, n) in curves.iter().zip(0..) {
        let style = Palette99::pick(n).stroke_width(2);
        let steps = curve
            .least
            .iter()
            .zip(1u32..)
            .map(|(least, n)| (f64::from(n), *least));
        let answer = curve
            .answer
            .map_or_else(|| "no answer".into(), |it| format!("answers {it:.4}"));
        let end = steps.clone().last();
        chart
            .draw_series(LineSeries::new(steps, style))
            .map_err(drawing)?
            .label(format!("{}: {answer}", curve.method.name()))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        chart
            .draw_series(end.map(|end| Circle::new(end, 4, Palette99::pick(n).filled())))
            .map_err(drawing)?;
    }
    chart
        .configure_series_labels()
        .label_font(LABEL)
        .background_style(WHITE.mix(0.9))
        .border_style(BLACK.mix(0.3))
        .draw()
        .map_err(drawing)
}

fn drawing(error: impl std::fmt::Display) -> PlotError {
    PlotError::Drawing(error.to_string())
}

/// Of a figure, in pixels.
const SIZE: (u32, u32) = (860, 520);
const TITLE: (&str, u32) = ("sans-serif", 18);
const LABEL: (&str, u32) = ("sans-serif", 13);
/// Steps of the scale.
const SHADES: u32 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// The map's least point is what the solver answers for the same verifiers.
    #[test]
    fn the_figures_show_what_the_solver_finds() {
        let problem = table_two();
        let points = surface(&problem).expect("legal");
        let best = points
            .iter()
            .min_by(|a, b| a.utility.total_cmp(&b.utility))
            .expect("points");
        let answer = solve(&problem, Method::Fastest)
            .expect("legal")
            .solution
            .expect("an answer");

        assert_eq!(points.len(), 9 * 19);
        assert_eq!(best.verifiers, answer.verifiers.len() as u64);
        assert_eq!(best.transactions, answer.transaction_count);
        for curve in curves(&problem).expect("legal") {
            let evaluations = solve(&problem, curve.method).expect("legal").evaluations;
            assert_eq!(curve.least.len() as u64, evaluations);
        }
    }

    #[test]
    fn figures_are_written_and_never_over_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let arguments = Arguments {
            out: folder.path().join("figures"),
        };

        run(&arguments).expect("drawn");

        for name in ["utility.svg", "convergence.svg"] {
            let svg = std::fs::read_to_string(arguments.out.join(name)).expect("there");
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        }
        assert!(run(&arguments).is_err());
    }
}
