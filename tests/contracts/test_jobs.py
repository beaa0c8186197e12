"""The durable queue of files to be understood."""

import threading

import pytest

from graphfs.errors import Conflict, NotFound
from graphfs.model import FILES_ROOT, Job, JobState, Node, Outcome, Source, Suggestion
from tests.contracts.ground import OWNER, STRANGER, Ground, digest_of, eventually

FAILED = JobState.FAILED
ATTEMPTS = 3
"""As the suite's configuration has it."""


def lease_one(ground: Ground, node: Node, seconds: float = 60.0) -> Job:
    return ground.leased(node, seconds=seconds)[node.file]


def test_every_new_file_is_due_once(ground: Ground) -> None:
    one, two = ground.file("d/a", b"one"), ground.file("b", b"two")
    jobs = ground.leased(one, two)
    job = jobs[one.file]
    assert (job.node, job.version, job.path, job.size, job.attempts) == (one.id, one.version, "files/d/a", 3, 1)
    assert job.content == digest_of(b"one").hex()
    assert job.lease != jobs[two.file].lease
    assert job.lease_until > one.ctime
    assert ground.drive.lease("other", 10, 60) == []
    assert ground.drive.job(one.file).state == "leased"
    assert ground.drive.status(OWNER).jobs["leased"] == 2


def test_leases_are_limited(ground: Ground) -> None:
    nodes = [ground.file(f"{number}", b"x") for number in range(5)]
    found = [job for _ in range(3) for job in ground.drive.lease("worker", 2, 60)]
    assert sorted(job.file for job in found) == sorted(node.file for node in nodes)


def test_a_file_is_leased_to_one_worker(ground: Ground) -> None:
    nodes = [ground.file(f"{number}", b"x") for number in range(40)]
    got: list[int] = []

    def work(name: str) -> None:
        while jobs := ground.drive.lease(name, 3, 60):
            got.extend(job.file for job in jobs)

    workers = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(got) == sorted(node.file for node in nodes)


def test_a_lease_that_ran_out_goes_to_the_next(ground: Ground) -> None:
    node = ground.file("a", b"x")
    first = lease_one(ground, node, seconds=0.02)
    second = lease_one(ground, node)
    assert second.attempts == 2
    assert second.lease != first.lease
    assert not ground.drive.heartbeat(node.file, first.lease, 60)
    with pytest.raises(Conflict):
        ground.drive.finish(node.file, first.lease, Outcome(JobState.TAGGED, (Suggestion("late", 0.9),)))
    assert ground.drive.edges(OWNER, node.file) == []
    assert ground.drive.finish(node.file, second.lease, Outcome(JobState.TAGGED)) == "tagged"


def test_a_heartbeat_prolongs(ground: Ground) -> None:
    node = ground.file("a", b"x")
    job = lease_one(ground, node, seconds=5)
    assert ground.drive.heartbeat(node.file, job.lease, 3600)
    assert not ground.drive.heartbeat(node.file, "0" * 32, 3600)
    assert not ground.drive.heartbeat(999_999, job.lease, 3600)
    assert ground.drive.finish(node.file, job.lease, Outcome(JobState.EXCLUDED)) == "excluded"
    assert not ground.drive.heartbeat(node.file, job.lease, 60)


def test_a_worker_that_always_dies_ends_the_job(ground: Ground) -> None:
    node = ground.file("poison", b"x")
    eventually(lambda: not ground.drive.lease("worker", 1, 0.01) and ground.drive.job(node.file).state == FAILED)
    record = ground.drive.job(node.file)
    assert record.error
    assert record.attempts >= ATTEMPTS
    (failure,) = ground.drive.status(OWNER).failures
    assert (failure.file, failure.path) == (node.file, "files/poison")


def test_a_failure_is_tried_again_then_final(ground: Ground) -> None:
    node = ground.file("a", b"x")
    states = []
    for _ in range(ATTEMPTS):
        job = lease_one(ground, node)
        states.append(ground.drive.finish(node.file, job.lease, Outcome(FAILED, error="no luck", retry_after=0.0)))
    assert states == ["queued"] * (ATTEMPTS - 1) + ["failed"]
    record = ground.drive.job(node.file)
    assert (record.state, record.error, record.attempts) == ("failed", "no luck", ATTEMPTS)
    assert ground.drive.lease("worker", 1, 60) == []
    assert ground.drive.retry(OWNER) == 1
    assert ground.drive.job(node.file).state == "queued"
    assert lease_one(ground, node).attempts == 1


def test_what_asks_for_patience_gets_it(ground: Ground) -> None:
    node = ground.file("a", b"x")
    job = lease_one(ground, node)
    assert ground.drive.finish(node.file, job.lease, Outcome(FAILED, error="slow down", retry_after=3600)) == "queued"
    record = ground.drive.job(node.file)
    assert record.not_before > job.lease_until + 3000 * 10**9
    assert ground.drive.lease("worker", 1, 60) == []


def test_without_another_attempt_a_failure_is_final(ground: Ground) -> None:
    node = ground.file("a", b"x")
    job = lease_one(ground, node)
    assert ground.drive.finish(node.file, job.lease, Outcome(FAILED, error="corrupt")) == "failed"
    assert ground.drive.retry(OWNER, [node.file]) == 1


def test_an_attempt_that_does_not_count(ground: Ground) -> None:
    node = ground.file("a", b"x")
    for _ in range(ATTEMPTS + 2):
        job = lease_one(ground, node)
        outcome = Outcome(JobState.QUEUED, error="the model is down", retry_after=0.0, counts=False)
        assert ground.drive.finish(node.file, job.lease, outcome) == "queued"
    assert lease_one(ground, node).attempts == 1


def test_a_hand_in_for_another_content_is_refused(ground: Ground) -> None:
    node = ground.file("a", b"one")
    job = lease_one(ground, node)
    ground.write(node, b"two")
    with pytest.raises(Conflict):
        ground.drive.finish(node.file, job.lease, Outcome(JobState.TAGGED, (Suggestion("stale", 0.9),)))
    assert ground.drive.edges(OWNER, node.file) == []
    fresh = lease_one(ground, node)
    assert fresh.content == digest_of(b"two").hex()


def test_a_hand_in_twice_is_refused(ground: Ground) -> None:
    node = ground.file("a", b"x")
    job = lease_one(ground, node)
    ground.drive.finish(node.file, job.lease, Outcome(JobState.TAGGED))
    with pytest.raises(Conflict):
        ground.drive.finish(node.file, job.lease, Outcome(JobState.TAGGED))


def test_jobs_of_files_that_are_gone(ground: Ground) -> None:
    node = ground.file("a", b"x")
    job = lease_one(ground, node)
    ground.drive.unlink(OWNER, FILES_ROOT, "a")
    with pytest.raises((NotFound, Conflict)):
        ground.drive.finish(node.file, job.lease, Outcome(JobState.TAGGED))
    assert ground.drive.lease("worker", 1, 60) == []
    with pytest.raises(NotFound):
        ground.drive.job(999_999)


def test_equal_contents_have_equal_names(ground: Ground) -> None:
    one, two, other = ground.file("a", b"same"), ground.file("b", b"same"), ground.file("c", b"other")
    jobs = ground.leased(one, two, other)
    assert jobs[one.file].content == jobs[two.file].content != jobs[other.file].content


def test_answers_are_remembered(ground: Ground) -> None:
    assert ground.drive.remembered("c", "m", "p") is None
    ground.drive.remember("c", "m", "p", ["one", "zwei 中文", "\udcff"])
    assert ground.drive.remembered("c", "m", "p") == ("one", "zwei 中文", "\udcff")
    assert ground.drive.remembered("c", "m", "other") is None
    ground.drive.remember("c", "m", "p", [])
    assert ground.drive.remembered("c", "m", "p") == ()


def test_a_paused_queue_rests_until_it_is_resumed(ground: Ground) -> None:
    node = ground.file("a", b"x")
    held = lease_one(ground, node)
    other = ground.file("b", b"y")
    assert ground.drive.pause(OWNER, True) is False
    assert ground.drive.pause(OWNER, True) is True
    assert ground.drive.lease("worker", 5, 60) == []
    queue = ground.drive.status(OWNER).queue
    assert (queue.paused, queue.seconds_left) == (True, None)
    assert queue.reason.startswith("paused by")
    assert ground.drive.finish(node.file, held.lease, Outcome(JobState.TAGGED)) == "tagged"
    assert ground.drive.pause(OWNER, False) is True
    assert lease_one(ground, other).attempts == 1


def test_owners_take_turns_and_ones_newest_is_first(ground: Ground) -> None:
    many = [ground.file(f"{number}", b"x") for number in range(6)]
    ground.folder("open", mode=0o777)
    late = ground.file("open/late", b"y", caller=STRANGER)
    more = [ground.file(f"more {number}", b"x") for number in range(6)]
    got: list[int] = []
    while jobs := ground.drive.lease("worker", 2, 60):
        got += [job.file for job in jobs]
    assert sorted(got) == sorted(node.file for node in (*many, late, *more))
    assert got.index(late.file) <= 2
    mine = [file for file in got if file != late.file]
    assert mine == sorted(mine, reverse=True)


def test_the_reason_for_waiting_is_told(ground: Ground) -> None:
    node = ground.file("a", b"x")
    job = lease_one(ground, node)
    ground.drive.finish(
        node.file, job.lease, Outcome(JobState.QUEUED, error="no tokens left", retry_after=3600.0, counts=False)
    )
    queue = ground.drive.status(OWNER).queue
    assert (queue.paused, queue.reason) == (False, "no tokens left")
    assert queue.until > job.lease_until


def test_the_pace_and_an_estimate(ground: Ground) -> None:
    nodes = [ground.file(f"{number}", b"x") for number in range(6)]
    for job in list(ground.leased(*nodes).values())[:4]:
        ground.drive.finish(job.file, job.lease, Outcome(JobState.TAGGED))
    queue = ground.drive.status(OWNER).queue
    assert queue.per_minute > 0
    assert queue.seconds_left is not None
    assert queue.seconds_left == pytest.approx(2 / (queue.per_minute / 60), rel=0.05)


def test_tokens_add_up_over_all_taggers(ground: Ground) -> None:
    assert ground.drive.spend("http://a/v1", 0) == 0
    assert ground.drive.spend("http://a/v1", 30) == 30
    assert ground.drive.spend("http://a/v1", 12) == 42
    assert ground.drive.spend("http://b/v1", 1) == 1
    assert ground.drive.spend("http://a/v1", 0) == 42


def test_all_names_of_a_file(ground: Ground) -> None:
    node = ground.file("d/a", b"x")
    ground.drive.link(OWNER, node.id, FILES_ROOT, "b")
    assert ground.drive.paths(OWNER, node.id) == ["files/d/a", "files/b"]
    ground.drive.rename(OWNER, FILES_ROOT, "b", FILES_ROOT, "c")
    assert ground.drive.paths(OWNER, node.id) == ["files/d/a", "files/c"]


def test_what_was_rejected_never_comes_back(ground: Ground) -> None:
    """Not by another model, not as a rule, and not by a tag below it."""
    node = ground.file("a", b"x")
    job = lease_one(ground, node)
    ground.drive.finish(
        node.file, job.lease, Outcome(JobState.TAGGED, (Suggestion("boat", 0.9, model="one"), Suggestion("sea", 0.5)))
    )
    ground.drive.change_tags(OWNER, [node.file], [], ["boat", "sea"])
    assert ground.applied(node) == []
    again = tuple(Suggestion(tag, 0.95, Source.RULE, "other", "p2") for tag in ("Boat", "sea", "boat/sail", "lake"))
    assert ground.drive.retry(OWNER, [node.file]) == 1
    job = lease_one(ground, node)
    ground.drive.finish(node.file, job.lease, Outcome(JobState.TAGGED, again))
    assert ground.applied(node) == ["lake"]
    assert ground.drive.status(OWNER).review == 0


def suggested(ground: Ground, node: Node, *tags: str) -> None:
    """A machine is sure of these."""
    job = lease_one(ground, node)
    found = tuple(Suggestion(tag, 0.95, model="one") for tag in tags)
    ground.drive.finish(node.file, job.lease, Outcome(JobState.TAGGED, found))


def test_what_a_person_gave_and_took_off_again_never_comes_back(ground: Ground) -> None:
    """Files like it have the tag still, so a machine would say it."""
    node = ground.file("a", b"x")
    ground.drive.change_tags(OWNER, [node.file], ["todo"], [])
    ground.drive.change_tags(OWNER, [node.file], ["done"], ["todo"])
    suggested(ground, node, "todo", "sea")
    assert ground.applied(node) == ["done", "sea"]
    ground.drive.change_tags(OWNER, [node.file], ["todo"], [])
    assert ground.applied(node) == ["done", "sea", "todo"], "a person may change their mind"


def test_a_narrower_tag_in_place_of_a_wider_one_refuses_nothing_below_it(ground: Ground) -> None:
    node = ground.file("a", b"x")
    ground.drive.change_tags(OWNER, [node.file], ["photos"], [])
    ground.drive.change_tags(OWNER, [node.file], ["photos/2024"], ["photos"])
    suggested(ground, node, "photos", "photos/sea")
    assert ground.applied(node) == ["photos/2024", "photos/sea"]


def test_another_model_adds_and_retires_only_what_machines_gave(ground: Ground) -> None:
    node = ground.file("a", b"x")
    ground.drive.change_tags(OWNER, [node.file], ["mine", "shared"], [])
    for suggested in (("one", "shared", "both"), ("two", "both")):
        ground.drive.retry(OWNER, [node.file])
        job = lease_one(ground, node)
        found = tuple(Suggestion(tag, 0.9, model=suggested[0]) for tag in suggested)
        ground.drive.finish(node.file, job.lease, Outcome(JobState.TAGGED, found))
    edges = {edge.tag: edge for edge in ground.drive.edges(OWNER, node.file)}
    assert sorted(edges) == ["both", "mine", "shared", "two"]
    assert edges["shared"].source is Source.PERSON
    assert edges["both"].model == "two"


def test_a_batch_of_the_tagger_is_taken_back_exactly(ground: Ground) -> None:
    node = ground.file("a", b"x")
    for suggested in (("one", "both"), ("two", "both")):
        ground.drive.retry(OWNER, [node.file])
        before = ground.drive.edges(OWNER, node.file)
        job = lease_one(ground, node)
        found = tuple(Suggestion(tag, 0.9, model=suggested[0], evidence="why") for tag in suggested)
        ground.drive.finish(node.file, job.lease, Outcome(JobState.TAGGED, found))
    after = ground.drive.edges(OWNER, node.file)
    assert before != after
    newest = ground.drive.journal(OWNER, 1)[0]
    ground.drive.undo(OWNER, newest.batch)
    assert ground.drive.edges(OWNER, node.file) in (before, [])  # one batch, when both came within its gap


def test_suggestions_that_cannot_be_tags_are_dropped(ground: Ground) -> None:
    node = ground.file("a", b"x")
    job = lease_one(ground, node)
    bad = ("", "-x", "a,b", "x" * 300, "a\nb", "../up", "fine")
    outcome = Outcome(JobState.TAGGED, tuple(Suggestion(tag, 0.9) for tag in bad))
    assert ground.drive.finish(node.file, job.lease, outcome) == "tagged"
    assert ground.applied(node) == ["fine"]
