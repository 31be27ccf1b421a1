"""Language-model policies: prompts, an endpoint's protocol, its episodes, and a local model that learns."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
import threading
import time
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

torch = pytest.importorskip("torch")

from telos.baselines import cli  # noqa: E402
from telos.baselines.input_errors import InputError  # noqa: E402
from telos.baselines.llm.chats import Chat  # noqa: E402
from telos.baselines.llm.endpoint import Endpoint, EndpointError, Reply  # noqa: E402
from telos.baselines.llm.endpoint_args import EndpointArgs  # noqa: E402
from telos.baselines.llm.endpoint_episodes import EpisodeRecord, play_tasks  # noqa: E402
from telos.baselines.llm.endpoint_table import summarise  # noqa: E402
from telos.baselines.llm.prompts import SWEPrompts, TextPrompts, action_in, first_kept, prompts_for  # noqa: E402
from telos.envs.spaces import UnicodeText  # noqa: E402
from telos.envs.swe.actions import parse_action  # noqa: E402
from telos.envs.swe.errors import SandboxUnavailableError  # noqa: E402
from telos.envs.swe.sandbox import SandboxLimits, open_sandbox  # noqa: E402
from telos.envs.swe.tasks import load_tasks  # noqa: E402
from telos.envs.swe.trace import read_trace  # noqa: E402

# -- prompts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "tool", "argument"),
    [
        ("ls -la", "bash", "ls -la"),
        ("I look first.\n```bash\nls\ncat a.py\n```\nThen we see.", "bash", "ls\ncat a.py\n"),
        ('Let me see. <view path="a.py" start="3"/> and so on', "view", "a.py"),
        ("<think>perhaps <submit/>?</think>\n<search pattern='x > 1' path='src'/>", "search", "src"),
        ("thoughts that the template began </think> <submit/>", "submit", None),
        ('<edit path="a.py">\n<old>\nx</old>\n<new>\ny</new>\n</edit> <submit/>', "edit", "a.py"),
        ("```\necho '<submit/>'\n```", "bash", "echo '<submit/>'\n"),
        ("```xml\n<submit/>\n```", "submit", None),
        ("<bash>\ngrep -r '<view' .\n</bash>", "bash", "grep -r '<view' ."),
    ],
)
def test_the_one_action_in_a_reply(reply, tool, argument):
    action = parse_action(action_in(reply))
    assert action.tool == tool
    assert argument is None or argument in action.arguments.values()


def test_every_action_of_the_instructions_is_one():
    opening = SWEPrompts().opening({"statement": "It breaks."})
    assert opening.endswith("It breaks.")
    blocks = opening.split("```")
    found = [action_in(f"```{blocks[1]}```")]
    rest = blocks[2]
    while "<" in rest.split("The shell", 1)[0]:
        call = action_in(rest)
        found.append(call)
        rest = rest.partition(call)[2]
    assert [parse_action(call).tool for call in found] == ["bash", "view", "search", "edit", "submit"]


def test_texts_fit_the_environment():
    text, swe = UnicodeText(10), {"statement": UnicodeText(5), "output": UnicodeText(5), "result": UnicodeText(5)}
    assert isinstance(prompts_for(text, text), TextPrompts)
    assert isinstance(prompts_for(spaces.Dict(swe), text), SWEPrompts)
    with pytest.raises(InputError, match="SWEDocker-v0"):
        prompts_for(spaces.Discrete(3), text)
    with pytest.raises(InputError, match="Text"):
        prompts_for(text, spaces.Discrete(3))


def test_a_history_is_cut_to_half_of_its_budget_and_then_stays():
    assert first_kept([3, 3, 3], 0, 9) == 0
    assert first_kept([3, 3, 3, 3], 0, 9) == 3
    assert first_kept([3, 3, 3, 3, 3], 3, 9) == 3
    assert first_kept([1, 50], 0, 9) == 1
    assert first_kept([], 0, 9) == 0


def test_a_chat_keeps_its_opening_and_learns_how_long_tokens_are():
    chat = Chat("o" * 60, 1000)
    for turn in range(40):
        messages = chat.messages()
        assert messages[0]["content"] == "o" * 60
        assert [message["role"] for message in messages] == ["user"] + ["assistant", "user"] * (len(messages) // 2)
        length = sum(len(message["content"]) for message in messages)
        # One character a token, as the endpoint says.
        assert turn < 2 or length <= 1000
        chat.add(Reply(f"<think>{'t' * 500}</think>reply {turn}", length, 5, 0, 0.1), f"{turn} " + "x" * 50)
    assert messages[-1]["content"].startswith("38 ")
    assert not any("ttt" in message["content"] for message in messages)
    chat.add(Reply("", None, None, 0, 0.1), "y" * 100_000)
    messages = chat.messages()
    assert messages[-2]["content"]
    assert len(messages[-1]["content"]) < 1000
    assert "characters" in messages[-1]["content"]


# -- the protocol -------------------------------------------------------------------------------------------------


def completion(text, prompt=11, written=7):
    return {
        "choices": [{"message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": prompt, "completion_tokens": written},
    }


@contextmanager
def serving(answers, models=("toy", "other")):
    """An endpoint that gives these answers, one after the other, or whatever a function of the request makes.

    An answer is (status, body, headers); a body that is no text is sent as JSON.
    """
    requests = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self, status, body, headers=()):
            content = (body if isinstance(body, str) else json.dumps(body)).encode()
            self.send_response(status)
            for name, value in {**dict(headers), "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def do_GET(self):
            if models is None:
                return self.answer(404, "nothing here")
            return self.answer(200, {"data": [{"id": name} for name in models]})

        def do_POST(self):
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            requests.append((self.path, dict(self.headers), request))
            answer = answers(request) if callable(answers) else answers[len(requests) - 1]
            if answer == "silence":
                time.sleep(0.6)
                return None
            return self.answer(*answer)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", requests
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


ASKED = [{"role": "user", "content": "hello"}]


def ask(answers, **settings):
    """What an endpoint with these answers replies, and the pauses that were made."""
    pauses = []
    with serving(answers) as (url, requests):
        reply = Endpoint(url, "toy", pause=pauses.append, **settings).reply(ASKED, temperature=0.5)
    return reply, pauses, requests


def test_a_reply_with_its_tokens():
    reply, pauses, requests = ask([(200, completion("hi"))], key="secret")
    assert dataclasses.replace(reply, seconds=0) == Reply("hi", 11, 7, 0, 0)
    assert pauses == []
    path, headers, request = requests[0]
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == "Bearer secret"
    assert request == {"model": "toy", "messages": ASKED, "temperature": 0.5}


def test_endpoints_that_tell_no_tokens_or_write_no_text():
    bare = {"choices": [{"message": {"content": None, "reasoning_content": "hm"}}]}
    assert dataclasses.replace(ask([(200, bare)])[0], seconds=0) == Reply("", None, None, 0, 0)


def test_busy_endpoints_are_asked_again_when_they_say():
    later = formatdate(time.time() + 30, usegmt=True)
    answers = [
        (429, "slow down", {"Retry-After": "7"}),
        (503, "", {"Retry-After": later}),
        (429, "", {"Retry-After": "86400"}),
        (200, completion("hi")),
    ]
    reply, pauses, _ = ask(answers)
    assert (reply.text, reply.retries) == ("hi", 3)
    assert pauses[0] == 7
    assert 20 < pauses[1] <= 30
    assert pauses[2] == 60


def test_failures_are_retried_with_growing_pauses():
    answers = [
        (500, "oops"),
        (502, "<html>"),
        (200, '{"choices": ['),
        (200, {"error": "busy"}),
        (200, completion("hi")),
    ]
    reply, pauses, requests = ask(answers)
    assert (reply.text, reply.retries, len(requests)) == ("hi", 4, 5)
    assert all(2**k / 2 <= pause <= 2**k for k, pause in enumerate(pauses))


def test_an_answer_that_does_not_come_in_time_is_asked_for_again():
    reply, pauses, _ = ask(["silence", (200, completion("hi"))], timeout=0.2)
    assert (reply.text, reply.retries, len(pauses)) == ("hi", 1, 1)


@pytest.mark.parametrize(
    ("answers", "error", "message"),
    [
        ([(500, "broken disk")] * 3, EndpointError, "500: broken disk, and 2 retries"),
        ([(200, "<html>")] * 3, EndpointError, "something else than the OpenAI interface: <html>"),
        ([(400, "maximum context length is 4096")], EndpointError, "400: maximum context"),
        ([(401, "bad key")], InputError, "401: bad key"),
        ([(404, "no such path")], InputError, "404"),
    ],
)
def test_what_is_said_of_endpoints_that_fail(answers, error, message):
    with pytest.raises(error, match=message):
        ask(answers, retries=2)


def test_models_are_checked_before():
    with serving([]) as (url, _):
        Endpoint(url, "toy").check_model()
        with pytest.raises(InputError, match="Did you mean 'toy'"):
            Endpoint(url, "toi").check_model()
    with serving([], models=None) as (url, _):
        Endpoint(url, "whatever").check_model()
    pauses = []
    with pytest.raises(EndpointError, match="did not answer"):
        Endpoint(url, "toy", pause=pauses.append).check_model()
    assert pauses == []
    with pytest.raises(InputError, match="http://localhost:8000/v1"):
        Endpoint("localhost:8000", "toy")


# -- episodes with an endpoint --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bubblewrap():
    try:
        open_sandbox("bubblewrap", "telos-swe-base", SandboxLimits()).close()
    except SandboxUnavailableError as error:
        pytest.skip(str(error))


def gold_or_submit(gold):
    """Answers as a model would that knows the gold patch of one task, and submits in its second turn."""

    def answer(request):
        messages = request["messages"]
        if len(messages) > 1:
            return 200, completion("Done. <submit/>", 100, 5)
        known = [patch for statement, patch in gold.items() if statement in messages[0]["content"]]
        patch = f"git apply - <<'END_OF_PATCH'\n{known[0]}END_OF_PATCH" if known else "ls"
        return 200, completion(f"I see.\n```bash\n{patch}\n```", 90, 50)

    return answer


def test_episodes_with_an_endpoint_in_real_sandboxes(bubblewrap, tmp_path):
    source = load_tasks("builtin")
    solved, other = (source.by_id(name) for name in source.ids[:2])
    gold = {solved.statement: solved.gold_patch}
    with serving(gold_or_submit(gold)) as (url, requests):
        args = EndpointArgs(
            url, "toy", task=(solved.id, other.id), env_arg=("sandbox=bubblewrap",), jobs=2, out=tmp_path / "out"
        )
        records, folder = play_tasks(args)
        first, second = records
        assert (first.task, first.outcome, first.modified, first.turns) == (solved.id, 3, True, 2)
        assert (second.task, second.outcome, second.modified, second.failure) == (other.id, 1, False, "")
        assert (first.prompt_tokens, first.completion_tokens, first.retries) == (190, 55, 0)
        assert first.reward == pytest.approx(1.0 + 3 * 0.05)
        told = [request["messages"] for _, _, request in requests if len(request["messages"]) == 3]
        assert all(messages[2]["content"].endswith("[exit code 0]") for messages in told)
        traces = [read_trace(path) for path in (folder / "traces").glob("*.jsonl")]
        assert {(trace[0]["task"], len(trace)) for trace in traces} == {(solved.id, 3), (other.id, 3)}
        # What is there is not played again, whatever a killed process left of a line.
        with (folder / "results.jsonl").open("a") as file:
            file.write('{"task": "half')
        asked = len(requests)
        assert play_tasks(args) == (records, folder)
        assert len(requests) == asked
        with pytest.raises(InputError, match="temperature"):
            play_tasks(dataclasses.replace(args, temperature=0.1))
        with pytest.raises(InputError, match="unknown task"):
            play_tasks(dataclasses.replace(args, task=("no-such-task",)))
        with pytest.raises(InputError, match="max_turns"):
            play_tasks(dataclasses.replace(args, env_arg=("sandbox=bubblewrap", "max_turns=0"), out=tmp_path / "new"))


def test_episodes_whose_endpoint_fails_are_not_counted_and_are_played_again(bubblewrap, tmp_path, monkeypatch, capsys):
    task = load_tasks("builtin").ids[0]
    broken = [(400, "too long")]

    def answer(request):
        return broken.pop() if broken else (200, completion("<submit/>"))

    with serving(answer) as (url, _):
        args = EndpointArgs(url, "toy", task=(task,), env_arg=("sandbox=bubblewrap",), jobs=1, out=tmp_path)
        command = ["telos", "swe", "llm", "--endpoint", url, "--model", "toy", "--task", task]
        command += ["--env-arg", "sandbox=bubblewrap", "--jobs", "1", "--out", str(tmp_path)]
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as left:
            cli.main()
        assert left.value.code == 1
        assert "400: too long" in capsys.readouterr().out
        (record,), _ = play_tasks(args)
        assert (record.outcome, record.failure) == (1, "")
        with pytest.raises(SystemExit) as left:
            cli.main()
        assert left.value.code == 0
        rates = capsys.readouterr().out.partition("\n all")[2]
        assert rates.split()[:4] == ["1", "1", "0", "0"]


def test_the_table_counts_and_sums():
    records = [
        EpisodeRecord("a", 0, 1, 3, True, 1.0, 4, 0, 100, 10, 0, 1.0, 2.0),
        EpisodeRecord("b", 0, 1, 0, True, -1.0, 30, 2, 300, 30, 0, 1.0, 4.0),
        EpisodeRecord("c", 0, 3, 1, False, -0.5, 1, 0, None, None, 0, 1.0, 3.0),
        EpisodeRecord("d", 0, failure="sandbox: engine: gone"),
    ]
    easy, hard, everything = summarise(records)
    assert [easy[name] for name in ("difficulty", "episodes", "completed", "modified", "resolved")] == ["1", 2, 1, 2, 1]
    assert (easy["turns"], easy["reward"], easy["seconds"], easy["prompt_tokens"]) == (17, 0.0, 3.0, 400)
    assert (hard["episodes"], hard["prompt_tokens"]) == (1, None)
    assert (everything["episodes"], everything["completed"]) == (3, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": 0}, "--count"),
        ({"jobs": 0}, "--jobs"),
        ({"max_tokens": 20_000}, "twice --max-tokens"),
        ({"count": 1, "task": ("x",)}, "either"),
        ({"count": 10**6}, "has .* tasks"),
        ({"tasks": "nowhere"}, "nowhere"),
    ],
)
def test_bad_arguments_of_the_command(change, message, tmp_path):
    args = EndpointArgs("http://localhost:1/v1", "toy", out=tmp_path)
    with pytest.raises(InputError, match=message):
        play_tasks(dataclasses.replace(args, **change))


# -- local models --------------------------------------------------------------------------------------------------

WORDS = ("<end>", "<unk>", "say", "a", "b", "c", "d", "<submit/>", "ls", "[exit", "code", "0]")
CHAT = (
    "{% for m in messages %}<|{{ m.role }}|> {{ m.content }} <end>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|> {% endif %}"
)


class Secret(gym.Env):
    """First anything may be said, and the answer is a letter; whoever repeats that is paid."""

    observation_space = UnicodeText(100)
    action_space = UnicodeText(100)

    def __init__(self, failing=False):
        self.failing = failing

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.secret, self.asked = "abcd"[int(self.np_random.integers(4))], False
        return "say", {}

    def step(self, action):
        over, self.asked = self.asked, True
        terms = {"talk": 0.25, "outcome": float(over and action == self.secret)}
        info = {"reward_terms": terms, "trainable": not (self.failing and over)}
        return self.secret, sum(terms.values()), over, False, info


gym.register("test_swe_llm/Secret-v0", Secret)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A causal language model of 21,000 weights, whose words are the above, saved as any other."""
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = Tokenizer(models.WordLevel({word: k for k, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<end>", unk_token="<unk>")
    config = transformers.LlamaConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=512,
        eos_token_id=0,
        bos_token_id=None,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.LlamaForCausalLM(config)
    folder = tmp_path_factory.mktemp("tiny")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def load(tiny, **settings):
    from telos.baselines.llm.causal_lm import CausalLM

    return CausalLM(tiny, torch.device("cpu"), **settings)


def arguments(tiny, out, **changes):
    from telos.baselines.llm.grpo_lm import Args

    plain = {
        "env": "test_swe_llm/Secret-v0",
        "model": tiny,
        "wrap": ("gated:threshold=0.5",),
        "num_envs": 32,
        "group_size": 8,
        "max_new_tokens": 1,
        "context_tokens": 64,
        "learning_rate": 3e-3,
        "total_steps": 2048,
        "eval_every": 10**6,
        "micro_batch": 32,
        "update_epochs": 2,
        "device": "cpu",
        "tensorboard": False,
        "out": out,
    }
    return Args(**{**plain, **changes})


def log_of(run):
    return [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]


def test_likelihoods_are_those_that_tokens_are_drawn_with(tiny):
    from telos.baselines.llm.conversations import TokenSequence

    lm = load(tiny, temperature=0.25)
    torch.manual_seed(0)
    drawn = [reply[0] for reply in lm.generate([[2]] * 4000, 1)]
    every = [TokenSequence([2, token], [False, True]) for token in range(len(WORDS))]
    logs, entropies = lm.token_logs(every)
    expected = logs.exp().detach().numpy()
    assert expected.sum() == pytest.approx(1.0, abs=1e-5)
    found = np.bincount(drawn, minlength=len(WORDS)) / len(drawn)
    assert np.abs(found - expected).max() < 4 * np.sqrt(0.25 / len(drawn))
    assert entropies.numpy() == pytest.approx(np.full(len(WORDS), -(expected * np.log(expected)).sum()), abs=1e-5)
    assert lm.generate([[2]], 1, greedy=True) == [[int(expected.argmax())]]


def test_only_what_the_model_wrote_is_judged_and_neighbours_do_not_matter(tiny):
    from telos.baselines.llm.conversations import TokenSequence

    lm = load(tiny)
    long = TokenSequence([2, 5, 4, 3, 6, 2, 0], [False, True, False, False, True, True, False])
    short = TokenSequence([2, 4, 3], [False, False, True])
    logs = lm.token_logs([long, short])[0]
    # Token by token, each behind exactly those before it.
    by_hand = [
        lm.token_logs([TokenSequence(sequence.tokens[: k + 1], [False] * k + [True])])[0]
        for sequence in (long, short)
        for k in np.flatnonzero(sequence.written)
    ]
    assert logs.tolist() == pytest.approx(torch.cat(by_hand).tolist(), abs=1e-5)
    assert len(logs) == 4


def test_replies_end_at_the_end_token(tiny):
    lm = load(tiny)
    torch.manual_seed(1)
    replies = lm.generate([[2], [2, 3, 4, 5]] * 50, 6)
    assert all(0 not in reply[:-1] and (reply[-1] == 0 or len(reply) == 6) for reply in replies)
    assert {len(reply) for reply in replies} >= {1, 6}


def test_a_conversation_is_one_sequence_until_its_beginning_moves(tiny):
    from telos.baselines.llm.conversations import Conversation, TextFormat

    talk = Conversation(TextFormat(load(tiny).tokenizer), "say say", 32, 2)
    contexts, replies = [], [[3 + k % 4, 8] for k in range(12)]
    for reply in replies:
        contexts.append(talk.context())
        talk.replied(reply)
        talk.told("a b c d")
    assert all(len(context) + 2 <= 32 for context in contexts)
    assert all(context[:2] == [2, 2] for context in contexts)
    assert contexts[1] == [2, 2, 3, 8, 3, 4, 5, 6]
    assert 1 < len(talk.sequences) < 6
    written = [token for s in talk.sequences for token, own in zip(s.tokens, s.written, strict=True) if own]
    assert written == [token for reply in replies for token in reply]
    # Each reply stands behind the very context that it was written behind.
    behind = [
        sequence.tokens[:k]
        for sequence in talk.sequences
        for k in range(1, len(sequence.tokens))
        if sequence.written[k] and not sequence.written[k - 1]
    ]
    assert behind == contexts
    talk.told("a " * 100)
    assert len(talk.context()) <= 30


def test_chat_templates_are_followed_turn_by_turn(tiny):
    from telos.baselines.llm.conversations import Conversation, TextFormat

    tokenizer = load(tiny).tokenizer
    tokenizer.add_tokens(["<|user|>", "<|assistant|>"])
    tokenizer.chat_template = CHAT
    talk = Conversation(TextFormat(tokenizer), "say a", 64, 2)
    # One reply that ends itself, one that was cut, and an environment that tries to end its own turn.
    end = tokenizer.eos_token_id
    for reply, told in (([3, end], "b c"), ([4, 5], "d <end> a")):
        talk.context()
        talk.replied(reply)
        talk.told(told)
    told = "d < end> a"
    messages = [
        {"role": "user", "content": "say a"},
        {"role": "assistant", "content": "a"},
        {"role": "user", "content": "b c"},
        {"role": "assistant", "content": "b c"},
        {"role": "user", "content": told},
    ]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert talk.context() == tokenizer(text, add_special_tokens=False)["input_ids"]
    tokenizer.chat_template = "{{ messages[-1].role }}"
    with pytest.raises(InputError, match="template"):
        TextFormat(tokenizer)


def test_it_learns_to_read_what_it_is_told(tiny, tmp_path):
    from telos.baselines.checkpoints import load_model
    from telos.baselines.evaluation import evaluate
    from telos.baselines.llm.grpo_lm import load_policy, train

    run = train(arguments(tiny, tmp_path))
    first, *updates, final = log_of(run)
    assert first["charts/pass_at_1"] < 0.5
    assert np.mean([update["charts/pass_at_1"] for update in updates[-8:]]) > 0.8
    assert final["eval/outcome"] > 0.9
    assert first["paid/talk"] < first["reward/talk"] == 0.5
    assert first["charts/episodic_return"] == pytest.approx(first["paid/talk"] + first["paid/outcome"])
    policy = load_policy(run.folder)
    found = evaluate(policy, "test_swe_llm/Secret-v0", episodes=32, num_envs=8)
    assert found.terms["outcome"].mean() > 0.9
    # What is exported is the same model.
    names = dict(load(str(run.folder / "model")).model.named_parameters())
    assert all(torch.equal(names[name], weight) for name, weight in load_model(run.folder).items())


@pytest.mark.parametrize("rank", [0, 4])
def test_a_resumed_run_is_the_same(tiny, tmp_path, rank):
    from telos.baselines.checkpoints import load_model
    from telos.baselines.llm.grpo_lm import train

    if rank:
        pytest.importorskip("peft")
    settings = {"lora_rank": rank, "kl_weight": 0.05, "anneal_lr": False, "num_envs": 16, "eval_episodes": 8}
    whole = train(arguments(tiny, tmp_path / "whole", total_steps=128, **settings))
    part = train(arguments(tiny, tmp_path / "part", total_steps=64, **settings))
    resumed = train(arguments(tiny, tmp_path / "part", total_steps=128, resume=str(part.folder), **settings))
    one, two = load_model(whole.folder), load_model(resumed.folder)
    assert one.keys() == two.keys()
    assert all("lora" in name for name in one) == bool(rank)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert "losses/reference_kl" in log_of(resumed)[-2]


def test_the_reference_is_the_model_at_the_start_and_its_divergence_holds_it_back(tiny, tmp_path):
    from telos.baselines.llm.grpo_lm import train

    settings = {"total_steps": 320, "num_envs": 16, "eval_episodes": 0, "num_minibatches": 1, "update_epochs": 1}
    free = log_of(train(arguments(tiny, tmp_path / "free", kl_weight=1e-9, **settings)))
    held = log_of(train(arguments(tiny, tmp_path / "held", kl_weight=10.0, **settings)))
    assert free[0]["losses/reference_kl"] == pytest.approx(0.0, abs=1e-6)
    assert free[0]["losses/approx_kl"] == pytest.approx(0.0, abs=1e-6)
    assert held[-1]["losses/reference_kl"] < 0.2 * free[-1]["losses/reference_kl"]


def test_episodes_whose_infrastructure_failed_are_not_learned_from(tiny, tmp_path):
    from telos.baselines.checkpoints import load_model
    from telos.baselines.llm.grpo_lm import train

    run = train(arguments(tiny, tmp_path, env_arg=("failing=true",), total_steps=128, kl_weight=0.1, eval_episodes=8))
    first, *_ = log_of(run)
    assert first["charts/counted"] == 0.0
    assert not any(name.startswith("losses/") for name in first)
    start = load(tiny).state_dict()
    assert all(torch.equal(start[name], weight) for name, weight in load_model(run.folder).items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": ""}, "--model is missing"),
        ({"model": "/nowhere/at/all"}, "nowhere"),
        ({"num_envs": 12}, "multiple"),
        ({"max_new_tokens": 17}, "quarter"),
        ({"env": "CartPole-v1"}, "Text"),
        ({"temperature": 0.0}, "--temperature"),
        ({"wrap": ("gatd",)}, "gated"),
    ],
)
def test_bad_arguments_of_training(tiny, tmp_path, change, message):
    from telos.baselines.llm.grpo_lm import train

    with pytest.raises(InputError, match=message):
        train(arguments(tiny, tmp_path, **change))


def test_the_documentation_runs_and_learns_a_step_in_real_sandboxes(bubblewrap, tmp_path, monkeypatch):
    pytest.importorskip("transformers")
    page = Path(__file__).parents[2] / "docs" / "swe_llm.md"
    blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in blocks:
        exec(block, names)
    first, *_, final = log_of(names["run"])
    assert first["charts/episodic_length"] > 1.0
    assert 0.0 < first["charts/completed"] <= 1.0
    # The gate stays shut without a patch: only the outcome is paid.
    assert first["charts/episodic_return"] == pytest.approx(first["reward/outcome"])
    assert first["charts/raw_return"] > first["charts/episodic_return"]
    assert {"eval/completed", "eval/modified", "eval/resolved"} <= final.keys()
