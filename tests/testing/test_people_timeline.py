"""Timelines read well where a test has failed."""

from __future__ import annotations

from support.control import Kit


async def test_a_timeline_merges_people_and_server_in_order(kit: Kit) -> None:
    for name in ("alice", "bob", "carol"):
        await kit.person(name)
    placed, came = await kit.talk("alice", "bob")
    await kit.post(f"{placed}/speak", {"label": "hello"})
    await kit.post(f"{came}/expect_sound", {"label": "hello"})
    sid = (await kit.ask("GET", came))["sid"]
    told = await kit.ask("GET", f"/timeline?call={sid}")
    assert {entry["who"] for entry in told["entries"]} == {"alice", "bob", "server"}
    lines = told["text"].splitlines()
    order = ["alice  calls To=bob", "server  leg.placed", "bob     is called", "bob     accepts", "alice  accept"]
    order += ["alice   speaks label=hello", "bob     heard sound=hello"]
    places = [
        next(at for at, line in enumerate(lines) if " ".join(wanted.split()) in " ".join(line.split()))
        for wanted in order
    ]
    assert places == sorted(places), told["text"]
    naming, *others = [line for line in lines if sid in line]
    assert "bob     has the sid" in naming
    assert not others, "sids of people's calls are shown by the people's names for them"
    assert lines[0].startswith("+    0.000 s")


async def test_a_failed_expectation_tells_of_the_alert_that_explains_it(kit: Kit) -> None:
    voice = await kit.post("/endpoints", {"behaviour": {"failing": 500}}, status=201)
    sid = kit.running.credentials.application_sid
    await kit.rest("POST", f"/Applications/{sid}.json", {"VoiceUrl": voice["url"]})
    for name in ("alice", "bob"):
        await kit.person(name)
    placed = await kit.call("alice", "bob")
    await kit.post(f"{placed}/expect_end")
    refused = await kit.post("/people/bob/incoming", {"timeout": "10ms"}, status=422)
    assert refused["message"] == "bob was not called within 0.01 s"
    assert "error alert code=11200" in refused["timeline"]
    assert "twiml.fetch" in refused["timeline"]


async def test_when_all_people_have_left_a_new_story_begins(kit: Kit) -> None:
    for name in ("alice", "bob"):
        await kit.person(name)
    await kit.talk("alice", "bob")
    await kit.ask("PUT", "/clients/alice/network", {"state": "cut"})
    await kit.ask("PUT", "/clients/bob/faults", [{"direction": "to_client", "fault": "drop"}])
    await kit.ask("DELETE", "/people", status=204)
    assert await kit.ask("GET", "/timeline") == {"entries": [], "text": ""}
    assert await kit.ask("GET", "/clients/alice/network") == {"state": "restored", "lost": 0}
    assert await kit.ask("GET", "/clients/bob/faults") == {"faults": []}
    for name in ("alice", "bob"):
        await kit.person(name)
    await kit.talk("alice", "bob")


async def test_calls_of_others_are_unknown(kit: Kit) -> None:
    await kit.ask("GET", f"/timeline?call=CA{'0' * 32}", status=404)
    await kit.ask("GET", "/timeline?call=nonsense", status=404)
