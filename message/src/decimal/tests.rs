use super::*;

#[test]
fn numbers_of_every_length_are_written() {
    for number in [0, 1, 9, 10, 99, 100, 1_234_567_890, u64::MAX - 1, u64::MAX] {
        assert_eq!(Decimal::of(number).as_bytes(), number.to_string().as_bytes());
    }
}
