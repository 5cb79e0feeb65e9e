use super::{ASSETS, FILES, answer, path};

#[test]
fn every_file_is_served_under_a_name_of_its_content() {
    for (name, _) in FILES {
        assert!(answer(path(name)).is_some(), "{name}");
    }
    assert!(answer("/assets/page.css").is_none());
}

#[test]
fn scripts_import_each_other_by_their_served_names() {
    for asset in ASSETS.iter() {
        let text = std::str::from_utf8(&asset.body).unwrap();
        for import in text.split("from \"./").skip(1) {
            let file = import.split('"').next().unwrap();
            assert!(answer(&format!("/assets/{file}")).is_some(), "{} imports {file}", asset.name);
        }
    }
}
