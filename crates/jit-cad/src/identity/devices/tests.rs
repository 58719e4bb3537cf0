//! How far a login has come, who may go on with it, and how much room there is.

use super::room::{MOST, MOST_OF_A_NETWORK};
use super::*;

const NOW: UnixTime = UnixTime::from_secs(1_795_338_000);
const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 7));
const ALICE: &str = "corp/alice";
const KEY: Digest = Digest::from_bytes([1; 32]);

fn device(challenge: &str, address: IpAddr) -> Device {
    let authorization = DeviceAuthorization {
        device_code: Arc::new(DeviceCode::new(format!("of {challenge}"))),
        user_code: "theirs".to_owned(),
        verification_uri: "https://login.example/device".to_owned(),
        expires_in: 600,
        interval: 5,
    };
    Device {
        issuer: "corp".parse().unwrap(),
        login_key: KEY,
        challenge: challenge.to_owned(),
        address,
        begun: NOW,
        expires: NOW.plus(DEVICE_LIFE),
        authorization,
    }
}

fn turn(devices: &Devices, challenge: &str, now: UnixTime) -> Turn {
    devices.turn(challenge, (&"corp".parse().unwrap(), &KEY), now)
}

fn signed_on_as(devices: &Devices, challenge: &str, key: &Digest) -> Option<SubjectId> {
    devices.signed_on_as(challenge, (&"corp".parse().unwrap(), key), NOW)
}

fn after(secs: u64) -> UnixTime {
    NOW.plus(Span::from_secs(secs))
}

#[test]
fn the_issuer_is_asked_after_a_yes_alone_and_no_more_often_than_it_wants() {
    let devices = Devices::default();
    let begun = device("a", HERE);
    let its_code = Arc::clone(&begun.authorization.device_code);
    let code = devices.add(begun, NOW).unwrap();
    assert!(matches!(turn(&devices, "a", NOW), Turn::NotYet));
    assert_eq!(devices.find(&code, NOW).unwrap().address, HERE);
    devices.confirm(&code, THERE, NOW).unwrap();
    let Turn::Ask { device_code, confirmed_from } = turn(&devices, "a", NOW) else {
        panic!("it is not asked");
    };
    assert!(Arc::ptr_eq(&device_code, &its_code));
    assert_eq!(confirmed_from, THERE);
    let is_asked = |secs| matches!(turn(&devices, "a", after(secs)), Turn::Ask { .. });
    assert!(!is_asked(0) && !is_asked(5) && is_asked(6) && !is_asked(11) && is_asked(12));
    devices.slow_down("a");
    assert!(!is_asked(22) && is_asked(23));
    devices.forget("a");
    assert!(matches!(turn(&devices, "a", after(60)), Turn::Unknown));
}

#[test]
fn it_is_good_for_its_key_and_issuer_and_for_who_began_it() {
    let devices = Devices::default();
    let code = devices.add(device("a", HERE), NOW).unwrap();
    devices.confirm(&code, THERE, NOW).unwrap();
    let corp = "corp".parse().unwrap();
    let other_key = Digest::from_bytes([2; 32]);
    for (challenge, issuer, key) in [
        ("a", &corp, &other_key),
        ("a", &"other".parse().unwrap(), &KEY),
        ("b", &corp, &KEY),
        (code.as_str(), &corp, &KEY),
    ] {
        let turn = devices.turn(challenge, (issuer, key), NOW);
        assert!(matches!(turn, Turn::Unknown), "{challenge} {issuer} {key}");
    }
    assert!(matches!(turn(&devices, "a", NOW), Turn::Ask { .. }));
}

#[test]
fn a_code_is_answered_once_and_in_time() {
    let devices = Devices::default();
    let code = devices.add(device("a", HERE), NOW).unwrap();
    devices.deny(&code, NOW).unwrap();
    assert!(devices.confirm(&code, THERE, NOW).is_none() && devices.find(&code, NOW).is_none());
    assert!(matches!(turn(&devices, "a", NOW), Turn::Denied));
    let code = devices.add(device("b", HERE), NOW).unwrap();
    assert!(devices.find(&code, after(599)).is_some());
    assert!(devices.confirm(&code, THERE, after(600)).is_none());
    assert!(matches!(turn(&devices, "b", NOW), Turn::Unknown));
}

#[test]
fn no_network_takes_up_the_room_of_others() {
    let devices = Devices::default();
    let add = |number: usize, address| devices.add(device(&number.to_string(), address), NOW);
    let taken = (0..20).filter(|number| add(*number, HERE).is_ok()).count();
    assert_eq!(taken, MOST_OF_A_NETWORK);
    let room = |address, now| devices.must_have_room(Network::of(address), now);
    assert!(matches!(room(HERE, NOW), Err(NotAdded::NetworkFull)));
    assert!(room(THERE, NOW).is_ok());
    for number in 0..MOST {
        let octets = u32::try_from(number).unwrap().to_be_bytes();
        let _some_are_too_many = add(100 + number, IpAddr::V4(octets.into()));
    }
    assert!(matches!(add(9_999, THERE), Err(NotAdded::Full)));
    assert!(matches!(room(THERE, NOW), Err(NotAdded::Full)));
    assert!(room(THERE, after(600)).is_ok());
}

#[test]
fn what_is_over_gives_up_its_place_and_is_told_of_until_then() {
    let devices = Devices::default();
    let add = |number: usize| devices.add(device(&number.to_string(), HERE), NOW);
    let codes: Vec<String> = (0..MOST_OF_A_NETWORK).map(|number| add(number).unwrap()).collect();
    for code in &codes[1..] {
        devices.confirm(code, THERE, NOW).unwrap();
    }
    devices.signed_on("1", &ALICE.parse().unwrap());
    assert!(matches!(add(100), Err(NotAdded::NetworkFull)), "who is signed on still waits");

    devices.deny(&codes[0], NOW).unwrap();
    assert!(matches!(turn(&devices, "0", NOW), Turn::Denied));
    add(100).unwrap();
    assert!(matches!(turn(&devices, "0", NOW), Turn::Unknown));
    assert!(matches!(add(101), Err(NotAdded::NetworkFull)));

    devices.logged_in("1", &ALICE.parse().unwrap());
    assert!(signed_on_as(&devices, "1", &KEY).is_some());
    add(101).unwrap();
    assert!(signed_on_as(&devices, "1", &KEY).is_none());
}

#[test]
fn who_has_signed_on_stays_so_until_it_is_too_late() {
    let devices = Devices::default();
    let code = devices.add(device("a", HERE), NOW).unwrap();
    devices.signed_on("a", &ALICE.parse().unwrap());
    assert!(signed_on_as(&devices, "a", &KEY).is_none(), "nobody has said yes");
    devices.confirm(&code, THERE, NOW).unwrap();
    assert!(matches!(turn(&devices, "a", NOW), Turn::Ask { .. }));
    devices.signed_on("a", &ALICE.parse().unwrap());
    assert_eq!(signed_on_as(&devices, "a", &KEY).unwrap().to_string(), ALICE);
    assert!(signed_on_as(&devices, "a", &Digest::from_bytes([2; 32])).is_none());
    for _ in 0..2 {
        let Turn::Ask { confirmed_from, .. } = turn(&devices, "a", NOW) else {
            panic!("it waits for nothing");
        };
        assert_eq!(confirmed_from, THERE);
    }
    devices.logged_in("a", &ALICE.parse().unwrap());
    assert!(matches!(turn(&devices, "a", NOW), Turn::Unknown));
    assert_eq!(signed_on_as(&devices, "a", &KEY).unwrap().to_string(), ALICE);
    let late = devices.signed_on_as("a", (&"corp".parse().unwrap(), &KEY), after(600));
    assert!(late.is_none());
}
