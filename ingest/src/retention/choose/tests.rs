use time::macros::date;

use super::*;

fn leaf(day: u8, bytes: i64, state: LeafState, is_leaving: bool) -> Leaf {
    let date = Date::from_calendar_date(2026, time::Month::March, day).unwrap();
    Leaf { name: format!("agent_messages_202603{day:02}"), day: date, bytes, state, is_leaving }
}

#[track_caller]
fn check(leaves: &[Leaf], bytes: Option<u64>, expected: &[(u8, Option<Reason>)]) {
    let keep = Keep { oldest: date!(2026 - 03 - 03), today: date!(2026 - 03 - 06), bytes };
    let chosen: Vec<(u8, Option<Reason>)> = choose(leaves, keep).iter().map(|(leaf, why)| (leaf.day.day(), *why)).collect();
    assert_eq!(chosen, expected);
}

#[test]
fn the_oldest_days_go_until_the_rest_is_young_and_small_enough_and_today_never() {
    let days: Vec<Leaf> = (1..=8).map(|day| leaf(day, 100, LeafState::Attached, false)).collect();
    let (age, size) = (Some(Reason::Age), Some(Reason::Size));
    check(&days, None, &[(1, age), (2, age)]);
    check(&days, Some(600), &[(1, age), (2, age)]);
    check(&days, Some(599), &[(1, age), (2, age), (3, size)]);
    // Even where today alone is too much.
    check(&days, Some(0), &[(1, age), (2, age), (3, size), (4, size), (5, size)]);
}

#[test]
fn what_has_begun_to_go_goes_and_is_not_counted_and_what_a_person_detached_stays() {
    let days = [
        leaf(1, 100, LeafState::Detached, false),
        leaf(1, 100, LeafState::Detaching, false),
        leaf(2, 100, LeafState::Detached, true),
        leaf(3, 100, LeafState::Detaching, true),
        leaf(4, 100, LeafState::Attached, true),
        leaf(5, 100, LeafState::Attached, false),
        leaf(6, 100, LeafState::Attached, false),
    ];
    check(&days, Some(200), &[(2, None), (3, None), (4, None)]);
    check(&days, Some(199), &[(2, None), (3, None), (4, None), (5, Some(Reason::Size))]);
}
