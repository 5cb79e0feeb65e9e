use super::Recent;

#[test]
fn what_was_met_lately_is_known_and_no_more_is_remembered() {
    let mut recent = Recent::new(3);
    assert!(recent.is_empty());
    let met = [1, 2, 1, 3, 4, 2, 1].map(|key| recent.is_new(key));
    assert_eq!(met, [true, true, false, true, true, false, true], "the first is forgotten with the fourth");
    for key in 5..100 {
        recent.is_new(key);
        assert_eq!((recent.len(), recent.known.len(), recent.order.len()), (3, 3, 3));
    }
}
