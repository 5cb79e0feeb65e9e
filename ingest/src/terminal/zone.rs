//! Times as people read them, in a zone.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The zone that times are shown in: UTC, or that of this machine.
#[must_use]
pub fn zone(utc: bool) -> TimeZone {
    if utc { TimeZone::UTC } else { TimeZone::system() }
}

/// The day with the name of the zone, and the time, of a moment that the API gives; nothing for a text that is none.
#[must_use]
pub fn day_and_time(moment: &str, zone: &TimeZone) -> Option<(String, String)> {
    let moment: Timestamp = moment.parse().ok()?;
    let moment = moment.to_zoned(zone.clone());
    Some((moment.strftime("%Y-%m-%d %Z").to_string(), moment.strftime("%H:%M:%S").to_string()))
}
