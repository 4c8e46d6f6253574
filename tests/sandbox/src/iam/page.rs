//! Pages of a list: `MaxItems` at a time, the next one by `Marker`.

use crate::error::ApiError;
use crate::exchange::Exchange;
use crate::parameters::Parameters;
use crate::xml::Xml;

const MOST: i64 = 1000;
const DEFAULT: i64 = 100;

/// One page.
#[derive(Debug)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// Where the next one begins.
    marker: Option<usize>,
}

/// Cuts out the page that a request asks for.
pub(super) fn of<T>(exchange: &Exchange<'_>, items: Vec<T>) -> Result<Page<T>, ApiError> {
    let mut parameters = Parameters::of(exchange.operation);
    let most = parameters.number("MaxItems", (1, MOST))?.unwrap_or(DEFAULT);
    parameters.finish()?;
    let invalid = || ApiError::new(400, "ValidationError", "Invalid Marker.");
    let start = match exchange.operation.parameter("Marker") {
        None => 0,
        Some(marker) => marker.strip_prefix("page-").and_then(|at| at.parse().ok()).ok_or_else(invalid)?,
    };
    let end = usize::try_from(most).map_or(usize::MAX, |most| start + most);
    let marker = (end < items.len()).then_some(end);
    let items = items.into_iter().skip(start).take(end - start).collect();
    Ok(Page { items, marker })
}

impl<T> Page<T> {
    /// Writes whether there is more, and how to ask for it.
    pub(super) fn write(&self, xml: &mut Xml) {
        xml.leaf("IsTruncated", self.marker.is_some());
        if let Some(at) = self.marker {
            xml.leaf("Marker", format!("page-{at}"));
        }
    }
}
