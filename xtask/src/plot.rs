//! Curves as SVG.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

const SIZE: (u32, u32) = (800, 420);
const COLOURS: [RGBColor; 4] = [
    RGBColor(31, 119, 180),
    RGBColor(255, 127, 14),
    RGBColor(44, 160, 44),
    RGBColor(148, 103, 189),
];
const KEY_LINE: i32 = 16;
/// So few points of a curve are each marked.
const MARKED: usize = 12;

pub struct Curve {
    pub name: &'static str,
    pub points: Vec<(f64, f64)>,
}

pub struct Plot {
    pub title: String,
    /// What the axes show.
    pub across: &'static str,
    pub up: &'static str,
    pub curves: Vec<Curve>,
}

impl Plot {
    pub fn write(&self, path: &Path) -> Result<()> {
        self.draw(path)
            .map_err(|error| anyhow!("drawing {}: {error}", path.display()))
    }

    fn draw(&self, path: &Path) -> Result<(), Box<dyn std::error::Error>> {
        let points = || self.curves.iter().flat_map(|curve| &curve.points);
        let right = points().map(|point| point.0).fold(1.0, f64::max);
        let top = points().map(|point| point.1).fold(1.0, f64::max) * 1.1;
        let area = SVGBackend::new(path, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(&self.title, ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(60)
            .build_cartesian_2d(0.0..right, 0.0..top)?;
        chart
            .configure_mesh()
            .x_desc(self.across)
            .y_desc(self.up)
            .x_label_formatter(&|value| tick(*value))
            .y_label_formatter(&|value| tick(*value))
            .light_line_style(TRANSPARENT)
            .draw()?;
        for (curve, colour) in self.curves.iter().zip(COLOURS.iter().cycle()) {
            chart
                .draw_series(LineSeries::new(curve.points.iter().copied(), colour))?
                .label(curve.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + KEY_LINE, y)], colour));
            chart.draw_series(
                curve
                    .points
                    .iter()
                    .filter(|_| curve.points.len() <= MARKED)
                    .map(|&point| Circle::new(point, 3, colour.filled())),
            )?;
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::MiddleRight)
            .background_style(WHITE)
            .border_style(BLACK)
            .draw()?;
        area.present()?;
        Ok(())
    }
}

/// A whole number with its thousands apart, or a fraction as short as it is.
pub fn tick(value: f64) -> String {
    let rounded = format!("{:.2}", value.abs());
    let rounded = rounded.trim_end_matches('0').trim_end_matches('.');
    let (whole, fraction) = rounded.split_at(rounded.find('.').unwrap_or(rounded.len()));
    let mut text = if value < 0.0 { "-" } else { "" }.to_owned();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_whole_numbers_where_they_can_be() {
        for (value, text) in [
            (0.0, "0"),
            (7.0, "7"),
            (0.300_000_000_000_000_04, "0.3"),
            (10_000.0, "10,000"),
            (1_234_567.5, "1,234,567.5"),
            (-200.0, "-200"),
        ] {
            assert_eq!(tick(value), text);
        }
    }
}
