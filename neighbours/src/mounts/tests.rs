use std::io::ErrorKind;

use super::Mounts;

#[tokio::test]
async fn a_small_disk_is_full_soon_and_nobody_else_sees_it() {
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path();
    let mounts = Mounts::make(&format!("mount -t tmpfs -o size=64k tmpfs {}", path.display())).await.unwrap();
    let file = path.join("file");
    mounts.run(&["touch", &file.display().to_string()]).unwrap();
    assert!(mounts.seen(&file).exists() && !file.exists());
    let written = std::fs::write(mounts.seen(&file), vec![0; 1024 * 1024]);
    assert_eq!(written.unwrap_err().kind(), ErrorKind::StorageFull);
}

#[tokio::test]
async fn a_script_that_fails_is_told_with_what_it_said() {
    let error = Mounts::make("echo 'no such disk' && false").await.unwrap_err();
    let told = format!("{error:#}");
    assert!(told.contains("without a user namespace") && told.contains("no such disk"), "{told}");
}
