"""Addresses lose their secrets and nothing else."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sumatra.versioncontrol._urls import scrub, scrub_text


@pytest.mark.parametrize("url", [
    "https://example.org/lab/model.git",
    "https://example.org:8443/lab/model.git?depth=1#readme",
    "http://[::1]:8080/model",
    "http://[::1]/model@2",
    "ssh://git@example.org/lab/model.git",
    "git@example.org:lab/model.git",
    "hg@example.org:lab/model",
    "svn+ssh://svn@example.org/lab",
    "example.org:lab/model.git",
    "file:///home/ada/model",
    "/home/ada/a@b:c/model",
    "../model",
    "model with spaces",
    "",
])
def test_an_address_without_secrets_stays_as_it_is(url):
    assert scrub(url) == url


@pytest.mark.parametrize(("url", "clean"), [
    ("https://ada:hunter2@example.org/model", "https://example.org/model"),
    ("https://hunter2@example.org/model", "https://example.org/model"),
    ("https://ada@example.org:hunter2@example.org/model", "https://example.org/model"),
    ("https://ada:hun/ter2@example.org/model", "https://example.org/model"),
    ("https://ada:hun?ter2@example.org/model", "https://example.org/model"),
    ("https://ada:hun#ter2@example.org/model", "https://example.org/model"),
    ("HTTPS://ada:hunter2@example.org", "HTTPS://example.org"),
    ("https://git:hunter2@example.org/model", "https://example.org/model"),
    ("ssh://ada@example.org/model", "ssh://example.org/model"),
    ("ssh://git:hunter2@example.org:22/model", "ssh://git@example.org:22/model"),
    ("ada@example.org:model", "example.org:model"),
    ("ada@example.org:model@2", "example.org:model@2"),
    ("ada:hunter2@example.org:model", "example.org:model"),
    ("git:hunter2@example.org:model", "git@example.org:model"),
    ("ada:hunter2@ada:hunter3@example.org:model", "example.org:model"),
    ("ext::wrap https://ada:hunter2@example.org", "ext::wrap https://example.org"),
    ("https://example.org/?next=https://ada:hunter2@example.org/", "https://example.org/?next=https://example.org/"),
    ("https://example.org/m?private_token=hunter2&depth=1", "https://example.org/m?private_token=***&depth=1"),
    ("https://example.org/m?depth=1;api_key=hunter2", "https://example.org/m?depth=1;api_key=***"),
    ("https://example.org/m?a=b?key=hunter2", "https://example.org/m?a=b?key=***"),
    ("https://example.org/m?%74oken=hunter2", "https://example.org/m?%74oken=***"),
    ("https://example.org/m#access_token=hunter2", "https://example.org/m#access_token=***"),
    ("https://example.org/t/ghp_0123456789abcdefABCDEF/m", "https://example.org/t/***/m"),
])
def test_secrets_are_taken_away(url, clean):
    assert scrub(url) == clean


words = st.text(st.characters(blacklist_characters="/?#@", blacklist_categories=("Cs",)), min_size=1)


@given(st.sampled_from(["https", "http", "ssh", "svn+ssh", "git"]), words, words)
def test_no_password_survives(scheme, user, password):
    secret = f"<{password}>"
    assert secret not in scrub(f"{scheme}://{user}:{secret}@example.org/model")


pieces = st.sampled_from(["https", "ssh", "://", ":", "@", "/", "?", "#", "&", "=", "token", "a", "1", ";", "%74oken"])


@given(st.one_of(st.text(), st.lists(pieces).map("".join)))
@example("@0:@0:")
@example("?token=/&@h:y")
@example("git:a@b@c:x@y:z")
def test_what_was_scrubbed_once_stays_as_it_is(url):
    once = scrub(url)
    assert scrub(once) == once


def test_urls_in_a_message_are_scrubbed_and_the_rest_is_not():
    said = "unable to access 'https://ada:hunter2@example.org/m/': tell ada@example.org, or see http://example.org/x"
    assert scrub_text(said) == (
        "unable to access 'https://example.org/m/': tell ada@example.org, or see http://example.org/x"
    )


def test_an_address_of_very_many_users_is_scrubbed_in_no_time():
    began = time.perf_counter()
    assert scrub("a:b@" * 250_000 + "example.org:model") == "example.org:model"
    assert time.perf_counter() - began < 5
