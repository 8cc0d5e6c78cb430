//! The container image, as `cargo xtask image` builds it. These tests are run by
//! `cargo xtask test --with-image`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Chart, World, variable};

/// What a pull costs at most, in bytes.
const LARGEST: u64 = 25_000_000;

/// An image in the layout of the Open Container Initiative.
struct Image {
    folder: PathBuf,
    manifest: Value,
}

impl Image {
    fn at(variable_name: &str) -> Self {
        let folder = PathBuf::from(variable(variable_name));
        let index = read(&folder.join("index.json"));
        let manifests = index["manifests"].as_array().unwrap();
        assert_eq!(manifests.len(), 1);
        let manifest = read(&blob(&folder, &manifests[0]));
        Self { folder, manifest }
    }

    fn built() -> Self {
        Self::at("FREEHOLD_TEST_IMAGE")
    }

    fn configuration(&self) -> Value {
        read(&blob(&self.folder, &self.manifest["config"]))
    }

    /// Its only layer, compressed.
    fn layer(&self) -> PathBuf {
        let layers = self.manifest["layers"].as_array().unwrap();
        assert_eq!(layers.len(), 1);
        blob(&self.folder, &layers[0])
    }

    /// Lays its file system out, with the owners and rights that it says.
    fn unpack(&self, folder: &Path) {
        let mut tar = Command::new("tar");
        tar.args(["--extract", "--gzip", "--preserve-permissions"])
            .args(["--same-owner", "--numeric-owner", "--directory"])
            .arg(folder)
            .arg("--file")
            .arg(self.layer());
        assert!(tar.status().unwrap().success());
    }
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn blob(folder: &Path, descriptor: &Value) -> PathBuf {
    let digest = descriptor["digest"].as_str().unwrap().replace(':', "/");
    folder.join("blobs").join(digest)
}

#[test]
#[ignore = "needs an image: cargo xtask test --with-image"]
fn the_image_has_the_binary_and_certificates_and_nothing_else() {
    let image = Image::built();
    let listed = Command::new("tar")
        .args(["--list", "--verbose", "--gzip", "--numeric-owner", "--file"])
        .arg(image.layer())
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let entries: BTreeSet<(&str, &str, &str)> = listed
        .lines()
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            (words[5], words[0], words[1])
        })
        .collect();
    let folder = "drwxr-xr-x";
    let expected = [
        ("etc/", folder),
        ("etc/ssl/", folder),
        ("etc/ssl/certs/", folder),
        ("etc/ssl/certs/ca-certificates.crt", "-rw-r--r--"),
        ("usr/", folder),
        ("usr/bin/", folder),
        ("usr/bin/freehold", "-rwxr-xr-x"),
    ];
    let expected: BTreeSet<_> = expected
        .into_iter()
        .map(|(path, rights)| (path, rights, "0/0"))
        .collect();
    assert_eq!(entries, expected);

    let size = fs::metadata(image.layer()).unwrap().len();
    println!("{size} bytes compressed");
    assert!(size < LARGEST, "{size} bytes");

    let configuration = image.configuration();
    let pod = Chart::installed().pod();
    let [user, group] = ["runAsUser", "runAsGroup"].map(|key| &pod["securityContext"][key]);
    assert_eq!(
        configuration["config"]["User"],
        format!("{user}:{group}"),
        "the chart's"
    );
    let entrypoint = &configuration["config"]["Entrypoint"];
    assert_eq!(entrypoint, &json!(["/usr/bin/freehold"]));
    let certificates = &configuration["config"]["Labels"]["dev.freehold.ca-certificates"];
    assert!(certificates.as_str().unwrap().starts_with("20"));
    let folder = tempfile::tempdir().unwrap();
    image.unpack(folder.path());
    let bundle = folder.path().join("etc/ssl/certs/ca-certificates.crt");
    let bundle = fs::read_to_string(bundle).unwrap();
    assert!(bundle.matches("BEGIN CERTIFICATE").count() > 100);
}

#[test]
#[ignore = "needs an image: cargo xtask test --with-image"]
fn two_builds_are_one_image() {
    let (first, second) = (Image::built(), Image::at("FREEHOLD_TEST_IMAGE_AGAIN"));
    assert_ne!(first.folder, second.folder);
    assert_eq!(first.manifest, second.manifest);
    let index = |image: &Image| fs::read(image.folder.join("index.json")).unwrap();
    assert_eq!(index(&first), index(&second));
}

/// The packages that cargo locked, as NAME VERSION.
fn locked() -> BTreeSet<String> {
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock");
    let text = fs::read_to_string(lock).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    lines
        .windows(2)
        .filter_map(|pair| {
            let name = pair[0].strip_prefix("name = ")?;
            let version = pair[1].strip_prefix("version = ")?;
            Some(format!("{name} {version}").replace('"', ""))
        })
        .collect()
}

#[test]
#[ignore = "needs an image: cargo xtask test --with-image"]
fn the_binary_says_what_it_is_made_of_and_not_where() {
    let folder = tempfile::tempdir().unwrap();
    Image::built().unpack(folder.path());
    let binary = folder.path().join("usr/bin/freehold");
    let made_of = auditable_info::json_from_file(&binary, auditable_info::Limits::default());
    let made_of: Value = serde_json::from_str(&made_of.unwrap()).unwrap();
    let linked: BTreeSet<String> = made_of["packages"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|package| package["kind"] != "build")
        .map(|package| {
            let text = |key: &str| package[key].as_str().unwrap();
            format!("{} {}", text("name"), text("version"))
        })
        .collect();
    println!("{} packages", linked.len());
    assert!(linked.is_subset(&locked()));
    let has = |name: &str| linked.iter().any(|p| p.starts_with(&format!("{name} ")));
    for name in ["freehold", "kube", "hickory-resolver", "rustls", "ring"] {
        assert!(has(name), "{name}");
    }
    // Of the tests alone.
    for name in ["freehold-testbed", "proptest", "auditable-info"] {
        assert!(!has(name), "{name}");
    }
    let content = fs::read(&binary).unwrap();
    let root = env!("CARGO_MANIFEST_DIR").as_bytes();
    let says_where = content.windows(root.len()).any(|window| window == root);
    assert!(!says_where, "the folder of the sources is in the binary");
}

/// What the kernel says of a process.
fn state(process: u32, file: &str) -> String {
    fs::read_to_string(format!("/proc/{process}/{file}")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an image: cargo xtask test --with-image"]
async fn its_file_system_runs_read_only_as_the_charts_user() {
    let folder = tempfile::tempdir().unwrap();
    Image::built().unpack(folder.path());
    let world = World::new().await;
    let tenant = world.tenant().await;
    let settings = world.operator(&[&tenant]).every("1s");
    let mut operator = settings.in_root(folder.path()).start().await;
    world.verified(&tenant, "main", &world.name("image")).await;

    let process = operator.id();
    let status = state(process, "status");
    for line in [
        "Uid:\t65532\t65532\t65532\t65532",
        "Gid:\t65532\t65532\t65532\t65532",
        "CapEff:\t0000000000000000",
        "NoNewPrivs:\t1",
    ] {
        assert!(status.contains(line), "{line} in {status}");
    }
    let mounts = state(process, "mountinfo");
    let root = mounts
        .lines()
        .find(|line| line.split(' ').nth(4) == Some("/"));
    let options = root.unwrap().split(' ').nth(5).unwrap();
    assert!(options.split(',').any(|option| option == "ro"), "{mounts}");
    operator.check_running();
    assert!(operator.terminate().await.success());
}
