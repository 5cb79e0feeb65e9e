use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn the_digits_are_those_of_the_format(micros in -62_167_219_200_000_000_i64..253_402_300_800_000_000) {
        let timestamp = Timestamp::from_unix_micros(micros).unwrap();
        prop_assert_eq!(timestamp.to_string(), timestamp.0.format(FORMAT).unwrap());
        prop_assert_eq!(Timestamp::parse(&timestamp.to_string()), Some(timestamp));
    }
}

#[test]
fn a_year_before_all_years_is_written_all_the_same() {
    let timestamp = Timestamp::new(time::macros::datetime!(-0001-01-01 00:00 UTC));
    assert_eq!(timestamp.to_string(), "-0001-01-01T00:00:00.000000Z");
}
