use std::net::Ipv4Addr;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use serde_json::Value;

use super::*;
use crate::serve::artifacts::store;
use crate::serve::events::{
    Event, Format, Machine, Observer, ReadyListener, Timeline, Warning, Whom,
};
use crate::serve::history::History;
use crate::serve::look_requests::Looks;
use crate::serve::machines::Machines;
use crate::serve::status::Status;
use netroot_proto::pxe::arch::Platform;
use netroot_proto::pxe::client::Client;

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9));
const MAC: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);

fn api() -> Arc<Api> {
    let sources = Sources {
        artifacts: Arc::new(store()),
        timeline: Timeline::new(Format::Text, Arc::default(), Arc::new(Machines::new())),
        status: Status::new(vec![ReadyListener {
            interface: "eth0".to_owned(),
            address: Ipv4Addr::new(10, 0, 0, 1).into(),
            prefix: 24,
            others: Vec::new(),
            ranges: Vec::new(),
            isolated: None,
            http_port: 8069,
        }]),
        history: Arc::new(History::new()),
        counters: Arc::default(),
        nfs: None,
        terms: None,
        looks: Looks::new().0,
        swaps: "/var/lib/netroot-swaps/swaps.json".into(),
    };
    Api::new(sources, &[])
}

fn asks(api: &Api) {
    let client = Client::Pxe(Platform::Bios);
    let whom = Whom {
        machine: Machine::Mac(MAC),
        address: Some(PEER),
    };
    let history = &api.sources.history;
    history.happened(Some(whom), &Event::DhcpDiscover { client });
}

async fn ask(api: &Arc<Api>, caller: Caller, method: &str, path: &str, body: &str) -> (u16, Value) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("Host", "10.0.0.1:8069")
        .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
        .unwrap();
    let answer = api.answer(request, caller).await;
    let status = answer.status().as_u16();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap_or_default())
}

#[tokio::test]
async fn everybody_sees_the_machines_and_who_may_order_sees_their_orders() {
    let api = api();
    asks(&api);
    api.sources
        .history
        .happened(None, &Event::Warning(Warning::OwnRoot));
    for (caller, may) in [(Caller::Anybody(PEER), false), (Caller::LOCAL, true)] {
        let (status, all) = ask(&api, caller, "GET", "/api/v1/machines", "").await;
        assert_eq!(status, 200);
        let machine = &all["machines"][0];
        assert_eq!(machine["mac"], MAC.to_string());
        assert_eq!(machine["state"], "booting");
        assert_eq!(machine["stage"], "discover");
        assert_eq!(machine.get("order").is_some(), may, "{machine}");
        let (status, one) = ask(&api, caller, "GET", "/api/v1/machines/10.0.0.9", "").await;
        assert_eq!(
            (status, &one["boots"][0]["steps"][0]["count"]),
            (200, &1.into())
        );
        assert_eq!(one.get("order").is_some(), may);
        let (status, now) = ask(&api, caller, "GET", "/api/v1/status", "").await;
        assert_eq!((status, &now["may_order"]), (200, &may.into()));
        assert_eq!(now["interfaces"][0]["address"], "10.0.0.1/24");
        assert_eq!(now["machines"]["booting"], 1);
        let warnings = now["warnings"].as_array().unwrap();
        assert_eq!(warnings.len(), usize::from(may), "{now}");
        let (status, images) = ask(&api, caller, "GET", "/api/v1/images", "").await;
        assert_eq!(
            (status, &images["images"][0]["name"]),
            (200, &"debian".into())
        );
    }
}

#[tokio::test]
async fn a_machine_that_did_not_come_is_listed_with_its_order_for_who_may_know() {
    let api = api();
    asks(&api);
    let mac = "52:54:00:99:99:99";
    let path = format!("/api/v1/machines/{mac}/boot-once");
    let order = r#"{"image":"debian"}"#;
    let (status, _) = ask(&api, Caller::LOCAL, "POST", &path, order).await;
    assert_eq!(status, 200);
    let (_, all) = ask(&api, Caller::LOCAL, "GET", "/api/v1/machines", "").await;
    let machine = &all["machines"][1];
    assert_eq!(
        (&machine["mac"], &machine["state"]),
        (&mac.into(), &"unseen".into())
    );
    assert_eq!(machine["order"]["once"], "debian");
    assert_eq!(machine["last_seen_seconds"], Value::Null);
    let one = format!("/api/v1/machines/{mac}");
    let (status, machine) = ask(&api, Caller::LOCAL, "GET", &one, "").await;
    assert_eq!((status, &machine["boots"]), (200, &serde_json::json!([])));
    // Strangers are not told of it.
    let anybody = Caller::Anybody(PEER);
    let (_, all) = ask(&api, anybody, "GET", "/api/v1/machines", "").await;
    assert_eq!(all["machines"].as_array().unwrap().len(), 1);
    assert_eq!(ask(&api, anybody, "GET", &one, "").await.0, 404);
    let (status, said) = ask(&api, Caller::LOCAL, "POST", &path, r#"{"image":"menu"}"#).await;
    let said = said["error"].as_str().unwrap_or_default();
    assert_eq!(status, 422);
    assert!(said.starts_with("menu is no image"), "{said}");
}

#[tokio::test]
async fn what_is_not_there_or_not_allowed_is_said_in_one_sentence() {
    let api = api();
    asks(&api);
    let anybody = Caller::Anybody(PEER);
    for (caller, method, path, status, why) in [
        (
            anybody,
            "GET",
            "/api/v1/nothing",
            404,
            "there is no /api/v1/nothing here",
        ),
        (
            anybody,
            "POST",
            "/api/v1/status",
            405,
            "allows only GET, HEAD",
        ),
        (
            anybody,
            "POST",
            "/api/v1/reload",
            403,
            "only through the server's socket",
        ),
        (
            anybody,
            "PUT",
            "/api/v1/machines/x/image",
            403,
            "with a token",
        ),
        (
            anybody,
            "DELETE",
            "/api/v1/machines/x/boot-once",
            403,
            "with a token",
        ),
        (
            anybody,
            "GET",
            "/api/v1/machines/x/bundle",
            403,
            "with a token",
        ),
        (
            Caller::LOCAL,
            "GET",
            "/api/v1/machines/52:54:00:12:34:5",
            404,
            "did you mean 52:54:00:12:34:56?",
        ),
        (
            Caller::LOCAL,
            "GET",
            "/api/v1/machines/02:00:00:00:00:01",
            404,
            "nothing has been heard of the machine 02:00:00:00:00:01",
        ),
        (
            Caller::LOCAL,
            "GET",
            "/api/v1/machines/10.0.0.77",
            404,
            "no machine has the address 10.0.0.77",
        ),
        (
            Caller::LOCAL,
            "POST",
            "/api/v1/machines/52:54:00:12:34:56/boot-once",
            400,
            "expected a body such as {\"image\": \"debian\"}",
        ),
    ] {
        let (got, answer) = ask(&api, caller, method, path, "").await;
        let said = answer["error"].as_str().unwrap();
        assert!(got == status && said.contains(why), "{path}: {got} {said}");
    }
    let path = "/api/v1/machines/52:54:00:12:34:56/boot-once";
    let (status, answer) = ask(&api, Caller::LOCAL, "POST", path, r#"{"image":"debina"}"#).await;
    assert_eq!(status, 422);
    assert_eq!(
        answer["error"],
        "there is no image debina; did you mean debian?"
    );
    let long = format!("{{\"image\":\"{}\"}}", "x".repeat(5000));
    let (status, _) = ask(&api, Caller::LOCAL, "POST", path, &long).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn a_foreign_page_is_refused_before_anything_else() {
    let api = api();
    for (name, value) in [
        ("Host", "evil.example.com"),
        ("Origin", "http://evil.example.com"),
        ("Sec-Fetch-Site", "cross-site"),
    ] {
        let request = Request::builder().uri("/api/v1/machines");
        let request = request.header(name, value).body(Full::<Bytes>::default());
        let answer = api.answer(request.unwrap(), Caller::LOCAL).await;
        assert_eq!(answer.status(), 403, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_is_an_event_of_whoever_follows() {
    let api = api();
    let request = Request::builder().uri("/api/v1/events");
    let request = request.body(Full::<Bytes>::default()).unwrap();
    let mut answer = api.answer(request, Caller::Anybody(PEER)).await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let body = answer.body_mut();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(first.starts_with(b"retry: "));
    asks(&api);
    let event = body.frame().await.unwrap().unwrap().into_data().unwrap();
    let event = String::from_utf8(event.to_vec()).unwrap();
    let data = event
        .strip_prefix("event: machine\ndata: ")
        .unwrap()
        .trim_end();
    let machine: Value = serde_json::from_str(data).unwrap();
    assert_eq!(machine["mac"], MAC.to_string());
    assert!(machine.get("order").is_none() && !data.contains('\n'));
}

#[tokio::test]
async fn the_page_is_shown_by_this_servers_own_names() {
    let api = api();
    let page = |host: &str, site: &str| {
        let request = Request::builder().uri("/").header("Host", host);
        let request = request.header("Sec-Fetch-Site", site);
        api.page(&request.body(()).unwrap())
    };
    // A link on another site.
    let answer = page("10.0.0.1:8069", "cross-site");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
    let policy = answer.headers()["content-security-policy"]
        .to_str()
        .unwrap();
    assert!(policy.contains("default-src 'none'"), "{policy}");
    assert_eq!(page("evil.example.com", "none").status(), 403);
}

#[tokio::test]
async fn an_order_is_kept_until_it_is_taken_back() {
    let api = api();
    let path = |what: &str| format!("/api/v1/machines/{MAC}/{what}");
    let order = async |method: &str, what: &str, body: &str| {
        let (status, done) = ask(&api, Caller::LOCAL, method, &path(what), body).await;
        assert_eq!(status, 200, "{done}");
        assert_eq!(done["mac"], MAC.to_string());
        let order = |name: &str| done["order"][name].as_str().map(str::to_owned);
        (order("once"), order("image"))
    };
    let image = r#"{"image":"debian"}"#;
    let debian = || Some("debian".to_owned());
    assert_eq!(order("POST", "boot-once", image).await, (debian(), None));
    assert_eq!(order("PUT", "image", image).await, (debian(), debian()));
    assert_eq!(order("DELETE", "boot-once", "").await, (None, debian()));
    assert_eq!(order("DELETE", "image", "").await, (None, None));
    // Of a machine that nobody has heard of yet.
    let other = "/api/v1/machines/02:00:00:00:00:09/boot-once";
    let (status, done) = ask(&api, Caller::LOCAL, "PUT", other, image).await;
    assert_eq!((status, &done["order"]["once"]), (200, &"debian".into()));
}

#[tokio::test]
async fn an_order_comes_on_top_of_those_of_a_file_that_could_not_be_read_before() {
    let state = tempfile::tempdir().unwrap();
    let (file, whole) = (
        state.path().join("orders.json"),
        state.path().join("whole.json"),
    );
    let of = |image: &str| format!(r#"{{"{MAC}":{image}}}"#);
    std::fs::write(&whole, of(r#"{"image":"debian"}"#)).unwrap();
    // No symbolic link is followed.
    std::os::unix::fs::symlink(&whole, &file).unwrap();
    let api = api();
    let machines = api.sources.timeline.machines();
    assert!(!machines.open_orders(state.path()).unwrap().is_set_aside);
    asks(&api);
    let once = format!("/api/v1/machines/{MAC}/boot-once");
    let order = r#"{"image":"debian"}"#;
    let (status, said) = ask(&api, Caller::LOCAL, "POST", &once, order).await;
    let said = said["error"].as_str().unwrap_or_default();
    assert_eq!(status, 507);
    assert!(said.contains("cannot be read"), "{said}");
    assert!(machines.orders().before(MAC).is_none() && file.is_symlink());
    std::fs::rename(&whole, &file).unwrap();
    let (status, _) = ask(&api, Caller::LOCAL, "POST", &once, order).await;
    assert_eq!(status, 200);
    let ordered = machines.orders().of(MAC);
    let both = [ordered.once, ordered.image];
    assert_eq!(both.map(Option::unwrap), ["debian", "debian"]);
}
