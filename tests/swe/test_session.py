"""A session in both sandboxes: state, deadlines, output, recovery and the file tools."""

import time

import pytest

from telos.envs.swe.errors import SandboxWreckedError
from telos.envs.swe.sandbox import SandboxLimits, open_sandbox
from telos.envs.swe.scratch import scratch_folder

IMAGE = "telos-swe-base"
LIMITS = SandboxLimits(memory=256 << 20, pids=128, disk=64 << 20)
OUTPUT = 16_384
PATIENCE = 30.0
#: After a deadline everything must be dead within this time.
GRACE = 0.5
docker_only = pytest.mark.parametrize("sandbox_kind", [pytest.param("docker", marks=pytest.mark.docker)], indirect=True)


@pytest.fixture(scope="module")
def shared(sandbox_kind):
    sandbox = open_sandbox(sandbox_kind, IMAGE, LIMITS, OUTPUT)
    yield sandbox
    sandbox.close()


@pytest.fixture
def box(shared):
    """The module's sandbox, with a fresh shell and an empty ``/testbed``."""
    shared.freeze()
    assert shared.run("find . -mindepth 1 -delete; cd /testbed", PATIENCE).exit_code == 0
    return shared


@pytest.fixture
def own_box(sandbox_kind):
    """A sandbox for a test that leaves it unfit for others."""
    sandbox = open_sandbox(sandbox_kind, IMAGE, LIMITS, OUTPUT)
    yield sandbox
    sandbox.close()


def run(box, command, timeout=PATIENCE):
    return box.run(command, timeout)


def out(box, command):
    """The output of a command that must succeed."""
    done = run(box, command)
    assert done.exit_code == 0, done
    assert done.stopped is None
    return done.output


def put(box, **files):
    box.put({name: (0o100644, content) for name, content in files.items()})


def content(box, path):
    """The bytes of a file, through a channel that changes none of them."""
    return bytes.fromhex(out(box, f"od -An -v -tx1 {path}").replace("\n", " "))


def population(box):
    """The command lines of the living processes in the sandbox."""
    code = (
        "import os\n"
        "for p in filter(str.isdigit, os.listdir('/proc')):\n"
        "    try:\n"
        "        if open(f'/proc/{p}/stat').read().rpartition(') ')[2][0] not in 'ZX':\n"
        "            print(open(f'/proc/{p}/cmdline').read().replace('\\0', ' ')[:80].splitlines()[0])\n"
        "    except (OSError, IndexError): pass\n"
    )
    return sorted(out(box, f'python3 -c "{code}"').splitlines())


# -- state ----------------------------------------------------------------------------------------------


def test_the_shell_keeps_its_state(box):
    out(box, "mkdir -p a/b && cd a/b && plain=1 && export EXPORTED='x y' && f() { echo \"f says $1\"; } && umask 077")
    assert out(box, "pwd") == "/testbed/a/b\n"
    assert out(box, 'echo "$plain $EXPORTED"; printenv EXPORTED') == "1 x y\nx y\n"
    assert out(box, "f hi") == "f says hi\n"
    assert out(box, "umask") == "0077\n"
    assert out(box, "set -o pipefail") == ""
    assert run(box, "false | true").exit_code == 1


def test_background_jobs_live_on_and_can_be_waited_for(box):
    out(box, "(sleep 0.5; exit 9) & job=$!")
    assert out(box, "kill -0 $job && echo alive") == "alive\n"
    assert run(box, "wait $job").exit_code == 9


def test_a_background_job_does_not_delay_its_command(box):
    started = time.monotonic()
    assert out(box, "sleep 20 & echo started") == "started\n"
    assert time.monotonic() - started < 15
    out(box, "kill %1")


def test_what_a_background_job_writes_comes_with_a_later_command(box):
    out(box, "(sleep 0.3; echo late) &")
    assert "late" in out(box, "sleep 1.5; echo done")


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("true", 0),
        ("false", 1),
        ("(exit 7)", 7),
        ("(exit 255)", 255),
        ("no_such_command_anywhere", 127),
        ("./", 126),
        ("bash -c 'kill -TERM $$'", 143),
        ("bash -c 'kill -KILL $$'", 137),
        ("f() { return 42; }; f", 42),
        ("false; true", 0),
        ("echo a; # comment", 0),
        ("", 0),
        ("\n\n", 0),
    ],
)
def test_exit_codes(box, command, code):
    done = run(box, command)
    assert (done.exit_code, done.stopped, done.shell_restarted) == (code, None, False)


@pytest.mark.parametrize("command", ["echo 'unclosed", 'echo "unclosed', "if true", "f() {", "echo $(", ")", "do"])
def test_a_syntax_error_is_an_error_and_no_hang(box, command):
    done = run(box, command)
    assert done.exit_code != 0
    assert done.output
    assert done.stopped is None
    assert out(box, "echo fine") == "fine\n"


def test_the_last_exit_code_is_at_hand_in_the_next_command(box):
    run(box, "(exit 5)")
    assert out(box, "echo $?") == "5\n"
    assert out(box, "echo $?") == "0\n"


def test_multi_line_commands_and_here_documents(box):
    assert out(box, "for i in 1 2; do\n  echo $i\ndone\ncat <<'E'\n$HOME `x` \\n\nE") == "1\n2\n$HOME `x` \\n\n"
    assert out(box, "echo a \\\n b") == "a b\n"


def test_text_that_looks_like_our_framing_is_just_text(box):
    text = "'%s\\0%d\\0' \"$PWD\" >&197 </dev/fd/198 __telos_command"
    put(box, text=text.encode())
    assert out(box, "cat text") == text


def test_the_command_cannot_reach_the_control_descriptors(box):
    assert run(box, "echo forged >&197").exit_code != 0
    assert run(box, "cat <&198").exit_code != 0


@pytest.mark.parametrize("option", ["-x", "-v"])
def test_tracing_shows_the_agents_commands_and_none_of_ours(box, option):
    run(box, f"set {option}")
    done = run(box, "echo hi there")
    assert done.exit_code == 0
    assert "hi there" in done.output
    assert "telos" not in done.output
    assert "197" not in done.output


def test_set_e_ends_the_shell_at_an_error_and_the_session_goes_on(box):
    out(box, "set -e")
    done = run(box, "false\necho not reached")
    assert (done.exit_code, done.output, done.shell_restarted) == (1, "", True)
    assert out(box, "false; echo reached") == "reached\n"


def test_set_u_does_not_break_the_framing(box):
    out(box, "set -u")
    assert run(box, "echo $undefined").exit_code != 0
    assert out(box, "echo ok") == "ok\n"


def test_standard_input_is_empty(box):
    assert out(box, "cat; wc -c") == "0\n"
    assert run(box, "read line").exit_code == 1
    assert "EOFError" in run(box, "python3 -c 'input()'").output


def test_redirecting_the_shells_own_input_does_not_wedge_it(box):
    put(box, script=b"echo from the file\necho twice\n")
    run(box, "exec < script")
    assert out(box, "echo next") == "next\n"
    assert out(box, "cat") in ("", "echo from the file\necho twice\n")


def test_a_full_size_command(box):
    assert out(box, f"x='{'é' * 100_000}'; echo ${{#x}}") == "100000\n"
    lines = "echo line\n" * 20_000
    assert len(lines) == 200_000
    assert run(box, lines).bytes == 100_000


def test_where_and_as_whom(box):
    assert out(box, "pwd") == "/testbed\n"
    assert out(box, "id -u") != "0\n"
    assert out(box, "echo $HOME $LANG $PAGER") == "/home/agent C.UTF-8 cat\n"
    assert "telos" not in out(box, "env").lower()


def test_the_user_has_a_name_and_git_works(box):
    """Every program may read the system's configuration."""
    assert out(box, "whoami") == "agent\n"
    assert out(box, "git init -q . && echo x > f && git add f && git commit -qm first && git log --format=%an:%s") == (
        "agent:first\n"
    )
    assert run(box, "ls /etc").exit_code == 0


# -- output ---------------------------------------------------------------------------------------------


def test_output_and_errors_come_in_the_order_written(box):
    wanted = "".join(f"out {i}\nerr {i}\n" for i in range(50))
    assert out(box, "for i in $(seq 0 49); do echo out $i; echo err $i >&2; done") == wanted


def test_long_output_is_cut_at_the_source_to_head_and_tail(box):
    done = run(box, "seq 200000")
    whole = "".join(f"{i}\n" for i in range(1, 200_001))
    assert done.bytes == len(whole)
    assert done.output.startswith(whole[: OUTPUT // 2])
    assert done.output.endswith(whole[-OUTPUT // 2 :])
    assert done.output[OUTPUT // 2 : -OUTPUT // 2] == f"\n[... {len(whole) - OUTPUT} bytes omitted ...]\n"


@pytest.mark.parametrize("over", [-1, 0, 1, 5000])
def test_output_is_whole_up_to_the_limit_and_no_further(box, over):
    done = run(box, f"head -c {OUTPUT + over} /dev/zero | tr '\\0' x")
    assert done.bytes == OUTPUT + over
    assert done.output.count("x") == OUTPUT + min(over, 0)
    assert ("omitted" in done.output) == (over > 0)


def test_one_endless_line(box):
    done = run(box, "head -c 50000000 /dev/zero | tr '\\0' y; echo end")
    assert done.bytes == 50_000_004
    assert len(done.output) < OUTPUT + 200
    assert done.output.endswith("yyyend\n")


def test_output_that_is_no_text(box):
    assert out(box, "printf 'a\\0b\\377\\376c\\303\\n'") == "a\0b\ufffd\ufffdc\ufffd\n"
    assert out(box, "printf '\\342\\202\\254 \\360\\237\\246\\211'") == "€ 🦉"
    done = run(box, "head -c 100000 /dev/urandom")
    assert done.bytes == 100_000
    assert "\ud800" not in done.output
    assert done.output.encode()


def test_output_without_a_line_break_stays_with_its_command(box):
    assert out(box, "printf abc") == "abc"
    assert out(box, "printf def") == "def"


def test_a_background_flood_does_not_hold_up_commands(box):
    run(box, "yes flood & echo started")
    done = run(box, "kill %1; echo killed", 10)
    assert done.stopped is None
    run(box, "wait")
    assert out(box, "echo quiet") == "quiet\n"


def test_account_of_resources(box):
    idle = run(box, "sleep 0.3")
    busy = run(box, "python3 -c 'sum(range(10_000_000))'")
    assert idle.seconds >= 0.3
    assert busy.cpu > idle.cpu + 0.02
    assert 1 << 20 < busy.peak_memory < LIMITS.memory
    assert run(box, "echo four").bytes == 5


# -- recovery -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ("exit 3", 3),
        ("exit", 0),
        ("exec true", 0),
        ("exec bash -c 'exit 4'", 4),
        ("kill -TERM $$; sleep 5", 143),
        ("kill -KILL $$", 137),
        ("exec nothing_of_that_name", 127),
        ("logout_is_no_exit() { exit 9; }; logout_is_no_exit", 9),
    ],
)
def test_a_shell_that_ends_is_replaced_where_it_stood(box, ending, code):
    out(box, "mkdir -p 'sub dir' && cd 'sub dir' && export KEPT=$'a \\'b\\n c' PATH=/testbed/bin:$PATH && local_only=1")
    done = run(box, f"echo before; {ending}")
    assert (done.exit_code, done.stopped, done.shell_restarted) == (code, None, True)
    assert done.output.startswith("before\n")
    assert out(box, 'pwd; printf %s "$KEPT"') == "/testbed/sub dir\na 'b\n c"
    assert out(box, "echo [$local_only]; echo ${PATH%%:*}; touch it; ls") == "[]\n/testbed/bin\nit\n"
    assert not run(box, "true").shell_restarted


def test_a_shell_that_is_killed_between_commands_is_replaced(box):
    out(box, "mkdir -p here && cd here && export KEPT=1")
    run(box, "(sleep 0.3; kill -9 $$) &")
    time.sleep(1.0)
    assert out(box, "echo $KEPT; pwd") == "1\n/testbed/here\n"


def test_a_shell_in_a_folder_that_is_gone(box):
    out(box, "mkdir gone && cd gone && rmdir ../gone")
    run(box, "exit 1")
    assert out(box, "pwd") == "/testbed\n"


def test_killing_the_supervisor_costs_the_session_or_the_sandbox_never_the_host(own_box, sandbox_kind):
    own_box.put({"kept": (0o100644, b"kept\n")})
    if sandbox_kind == "bubblewrap":
        # Its files live in its own memory: nothing is left to go on with.
        with pytest.raises(SandboxWreckedError):
            own_box.run("kill -9 $PPID", 5)
        return
    done = own_box.run("kill -9 $PPID", 5)
    assert (done.stopped, done.shell_restarted, done.exit_code) == ("session", True, 137)
    assert out(own_box, "cat kept") == "kept\n"


def test_too_much_memory_kills_the_command_alone(own_box):
    own_box.put({"kept": (0o100644, b"kept\n")})
    done = run(own_box, "python3 -c \"x = b'x' * (700 << 20); print(len(x))\"")
    assert done.exit_code == 137
    assert out(own_box, "cat kept") == "kept\n"


def test_a_full_disk_is_the_commands_problem(box):
    done = run(box, "head -c 200000000 /dev/zero > big; echo $?")
    assert done.output.strip().splitlines()[-1] != "0"
    assert out(box, "rm -f big; echo ok > small; cat small") == "ok\n"


# -- deadlines ------------------------------------------------------------------------------------------

FORKER = "import os\nwhile True:\n    if os.fork(): os._exit(0)"
TREES = {
    "sleep": "sleep 1000",
    "busy": "while :; do :; done",
    "deaf": "trap '' TERM INT HUP QUIT; while :; do sleep 1000; done",
    "daemon": "setsid sleep 1000 & sleep 1000",
    "orphans": "(setsid bash -c 'sleep 1000 & sleep 1000 & disown -a' &); sleep 1000",
    "children": "for i in $(seq 60); do sleep 1000 & done; wait",
    "deep": "f() { [ $1 = 0 ] && sleep 1000 || (f $(($1-1)); true); }; f 20",
    "pipeline": "yes | cat | cat > /dev/null",
    "stopped": "sleep 1000 & kill -STOP $!; kill -STOP $$",
    "flood": "yes",
    "forks on and on": f"python3 -c '{FORKER}'; sleep 1000",
    "fork loop": "while :; do (setsid sleep 1000 &) 2>/dev/null; done",
    "exec": "exec sleep 1000",
}


def check_deadline(box, command, timeout):
    done = run(box, command, timeout)
    assert (done.stopped, done.exit_code, done.shell_restarted) == ("timeout", 124, True), done
    assert timeout <= done.seconds <= timeout + GRACE


@pytest.mark.parametrize("name", TREES)
def test_at_the_deadline_the_whole_tree_dies(box, name):
    before = population(box)
    check_deadline(box, TREES[name], 0.4)
    assert population(box) == before
    assert out(box, "echo works") == "works\n"


def test_twenty_deadlines_in_a_row(box):
    before = population(box)
    for number in range(20):
        check_deadline(box, list(TREES.values())[number % len(TREES)], 0.15)
        assert out(box, f"echo {number}") == f"{number}\n"
    assert population(box) == before


def test_what_came_before_the_deadline_is_kept(box):
    out(box, "mkdir -p dir && cd dir && export KEPT=1")
    done = run(box, "echo written; touch file; sleep 1000", 0.4)
    assert done.output == "written\n"
    assert out(box, "pwd; ls; echo $KEPT") == "/testbed/dir\nfile\n1\n"


def test_jobs_from_before_outlive_a_deadline_and_jobs_of_the_command_do_not(box):
    old = out(box, "setsid sleep 1001 & echo $!").strip()
    done = run(box, "sleep 1002 & echo $!; sleep 1003", 0.4)
    assert done.stopped == "timeout"
    assert run(box, f"kill -0 {old}").exit_code == 0
    assert run(box, f"kill -0 {done.output.strip()}").exit_code == 1
    out(box, f"kill {old}")


def test_freeze_kills_everything_and_gives_a_fresh_shell(box):
    before = population(box)
    out(
        box,
        "mkdir -p d && cd d && export LOST=1; for i in $(seq 20); do setsid sleep 1000 & done; nohup yes >/dev/null &",
    )
    box.freeze()
    assert population(box) == before
    assert out(box, "pwd; echo [$LOST]") == "/testbed\n[]\n"


# -- programs with a result pipe ------------------------------------------------------------------------


def test_spawn_has_a_pipe_of_its_own(box):
    code = "import os, sys; print('log'); os.write(int(sys.argv[-1]), sys.stdin.buffer.read()[::-1]); sys.exit(4)"
    program = box.spawn(["python3", "-c", code], b"\0abc\xff", PATIENCE, 1 << 20)
    assert program.result == b"\xffcba\0"
    assert (program.command.exit_code, program.command.output) == (4, "log\n")


def test_spawn_bounds_the_result_and_the_time_and_kills_what_is_left(box):
    before = population(box)
    code = (
        "import os, subprocess, sys, time; subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
        "for _ in range(1000): os.write(int(sys.argv[-1]), b'x' * 1000)\n"
    )
    program = box.spawn(["python3", "-c", code], b"", PATIENCE, 10_000)
    assert 10_000 <= len(program.result) <= 10_000 + (1 << 16)
    assert population(box) == before
    program = box.spawn(["python3", "-c", code + "time.sleep(1000)"], b"", 1.0, 10_000)
    assert program.command.stopped == "timeout"
    assert population(box) == before


def test_put_writes_modes_links_and_odd_names(box):
    files = {
        "plain.txt": (0o100644, b"\0\xff"),
        "deep/er/tool": (0o100755, b"#!/bin/sh\necho ran\n"),
        "link": (0o120000, b"deep/er/tool"),
        "ü 🦉\n'\"x": (0o100644, b"odd"),
        "x" * 200: (0o100644, b"long"),
    }
    box.put(files)
    assert out(box, "./deep/er/tool; readlink link; cat ü*; cat xx*") == "ran\ndeep/er/tool\noddlong"
    assert content(box, "plain.txt") == b"\0\xff"


# -- view -----------------------------------------------------------------------------------------------


def tool(box, name, timeout=PATIENCE, **arguments):
    return box.tool(name, arguments, timeout)


def failing(box, name, **arguments):
    done = tool(box, name, **arguments)
    assert done.exit_code == 1, done
    assert "Traceback" not in done.output
    return done.output


NUMBERS = b"".join(b"line %d\n" % i for i in range(1, 301))


def test_view_numbers_lines(box):
    put(box, f=b"one\n\n\tthree")
    assert tool(box, "view", path="f").output == "     1  one\n     2  \n     3  \tthree\n"


def test_view_of_a_part(box):
    put(box, f=NUMBERS)
    output = tool(box, "view", path="f", start=10, end=12).output
    assert output.splitlines()[:3] == ["    10  line 10", "    11  line 11", "    12  line 12"]
    assert output.splitlines()[3:] == ["[288 more lines; view with start=13]"]
    assert tool(box, "view", path="f", start=299).output == "   299  line 299\n   300  line 300\n"
    assert tool(box, "view", path="f", start=300, end=900).output == "   300  line 300\n"


def test_view_stops_after_200_lines(box):
    put(box, f=NUMBERS)
    lines = tool(box, "view", path="f").output.splitlines()
    assert len(lines) == 201
    assert lines[-1] == "[100 more lines; view with start=201]"


def test_view_follows_the_shells_directory(box):
    put(box, **{"sub/f": b"inner\n"})
    out(box, "cd sub")
    assert "inner" in tool(box, "view", path="f").output
    assert "inner" in tool(box, "view", path="/testbed/sub/f").output


def test_view_of_a_folder_lists_files_without_caches(box):
    put(
        box, **{"b/y.py": b"", "a.py": b"", "b/x.py": b"", ".git/HEAD": b"", "b/__pycache__/x.pyc": b"", ".hidden": b""}
    )
    assert tool(box, "view", path=".").output == ".hidden\na.py\nb/x.py\nb/y.py\n"
    assert tool(box, "view", path="b").output == "b/x.py\nb/y.py\n"


def test_view_shortens_long_lines_and_takes_empty_files(box):
    put(box, f=b"x" * 1000, empty=b"")
    assert tool(box, "view", path="f").output == f"     1  {'x' * 400} [... 600 more characters]\n"
    done = tool(box, "view", path="empty")
    assert (done.exit_code, done.output) == (0, "")


def test_view_of_latin_1_shows_what_it_can(box):
    put(box, f="grün\n".encode("latin-1"))
    assert tool(box, "view", path="f").output == "     1  gr\ufffdn\n"


def test_line_numbers_are_those_of_every_other_program(box):
    r"""Only "\n" ends a line: a form feed or U+2028 in a file must not shift the numbers."""
    put(box, f="a\x0cb\u2028c\x1cd\x85e\nneedle\n".encode())
    assert out(box, "grep -n needle f") == "2:needle\n"
    assert "f:2: needle" in tool(box, "search", pattern="needle").output
    assert "     2  needle\n" in tool(box, "view", path="f").output


def test_view_errors(box):
    put(box, **{"pkg/ledger.py": b"x\n", "binary": b"a\0b", "big": b"x" * (9 << 20), "secret": b"x"})
    out(box, "mkfifo pipe; chmod 000 secret; ln -s loop loop")
    assert "Did you mean pkg/ledger.py?" in failing(box, "view", path="pkg/leger.py")
    assert "No such file" in failing(box, "view", path="zzz")
    assert "binary file" in failing(box, "view", path="binary")
    assert "9437184 bytes" in failing(box, "view", path="big")
    assert "not a regular file" in failing(box, "view", path="pipe")
    assert "Permission denied" in failing(box, "view", path="secret")
    assert "symbolic links" in failing(box, "view", path="loop")
    assert "start=5 is outside the file, which has 1 lines" in failing(box, "view", path="pkg/ledger.py", start=5)
    assert "Not a directory" in failing(box, "view", path="binary/x")


def test_view_with_its_end_before_its_start_is_an_error(box):
    put(box, f=NUMBERS)
    assert "end" in failing(box, "view", path="f", start=50, end=10)


# -- search ---------------------------------------------------------------------------------------------


def test_search_finds_lines_of_text_files(box):
    put(box, **{"b.py": b"def f():\n    pass\n", "a/c.txt": b"# def g\n", "bin": b"def\0", ".git/x": b"def\n"})
    assert tool(box, "search", pattern="def [a-z]").output == "b.py:1: def f():\na/c.txt:1: # def g\n"
    assert tool(box, "search", pattern="^def", path="a").output == "no match\n"
    assert tool(box, "search", pattern="p.ss$", path="b.py").output == "b.py:2:     pass\n"
    assert tool(box, "search", pattern="nowhere").exit_code == 0


def test_search_stops_after_100_matches(box):
    put(box, f=NUMBERS)
    lines = tool(box, "search", pattern="line").output.splitlines()
    assert len(lines) == 101
    assert "more than 100 matches" in lines[-1]


def test_search_errors(box):
    assert "no valid regular expression: " in failing(box, "search", pattern="(")
    assert "no such file or directory" in failing(box, "search", pattern="x", path="nowhere")


def test_a_regular_expression_that_never_ends_meets_the_deadline(box):
    put(box, f=b"a" * 60 + b"b\n")
    before = population(box)
    done = tool(box, "search", timeout=0.5, pattern="(a+)+$")
    assert (done.stopped, done.exit_code) == ("timeout", 124)
    assert done.seconds <= 0.5 + GRACE
    assert population(box) == before
    assert tool(box, "search", pattern="a+b").output.startswith("f:1: aaa")


def test_tools_leave_the_shell_alone(box):
    put(box, f=b"x\n")
    out(box, "local_variable=1; sleep 1000 & job=$!")
    tool(box, "view", path="f")
    tool(box, "search", timeout=0.3, pattern="(x+x+)+y")
    assert out(box, "echo $local_variable; kill $job && echo lived") == "1\nlived\n"


# -- edit -----------------------------------------------------------------------------------------------


def edit(box, path, old, new):
    return tool(box, "edit", path=path, old=old, new=new)


def test_edit_replaces_the_one_occurrence(box):
    put(box, f=b"a\nb\nc")
    done = edit(box, "f", "\nb\n", "\nB\nB\n")
    assert (done.exit_code, done.output) == (0, "edited f\n")
    assert content(box, "f") == b"a\nB\nB\nc"


def test_edit_creates_files_and_folders(box):
    assert edit(box, "new/deep/f", "", "text\n").output == "created new/deep/f\n"
    assert content(box, "new/deep/f") == b"text\n"
    assert edit(box, "g", "", "no folder").exit_code == 0


@pytest.mark.parametrize(
    ("before", "old", "new", "after"),
    [
        (b"a\r\nb\r\nc\r\n", "b", "B", b"a\r\nB\r\nc\r\n"),
        (b"gr\xfcn \xff\nold\n", "old", "new", b"gr\xfcn \xff\nnew\n"),
        (b"\xef\xbb\xbfold", "old", "new", b"\xef\xbb\xbfnew"),
        ("ü\u2028old\x0c\x85".encode(), "old", "🦉", "ü\u2028🦉\x0c\x85".encode()),
        (b"a\rold\r", "old", "new", b"a\rnew\r"),
        (b"no end old", "old", "", b"no end "),
    ],
    ids=["crlf", "latin-1", "bom", "odd line breaks", "cr", "no line break"],
)
def test_edit_changes_no_other_byte(box, before, old, new, after):
    put(box, f=before)
    assert edit(box, "f", old, new).exit_code == 0
    assert content(box, "f") == after


def test_edit_of_several_lines_in_a_crlf_file_works_or_says_why(box):
    """What the agent sees in ``view`` has no carriage returns, so it cannot send them."""
    put(box, f=b"a\r\nb\r\nc\r\n")
    done = edit(box, "f", "a\nb", "A\nB")
    if done.exit_code == 0:
        assert content(box, "f") == b"A\r\nB\r\nc\r\n"
    else:
        assert "\\r" in done.output or "CRLF" in done.output


def test_edit_keeps_modes_and_follows_links(box):
    box.put({"run.sh": (0o100755, b"#!/bin/sh\necho old\n"), "link": (0o120000, b"run.sh")})
    assert edit(box, "link", "old", "new").exit_code == 0
    assert out(box, "./run.sh; test -L link && test -x run.sh && echo same") == "new\nsame\n"


def test_edit_errors(box):
    put(box, **{"f": b"one\ntwo two\nreturn total\ntwo\n", "binary": b"a\0b", "dir/f": b"x", "secret": b"old"})
    out(box, "chmod 444 secret")
    before = content(box, "f")
    assert "same text" in failing(box, "edit", path="f", old="one", new="one")
    assert "f exists" in failing(box, "edit", path="f", old="", new="x")
    assert "does not occur in f" in failing(box, "edit", path="f", old="three", new="x")
    assert "closest line is 3: 'return total'" in failing(box, "edit", path="f", old="return totals", new="x")
    assert "occurs 3 times in f (lines [2, 2, 4])" in failing(box, "edit", path="f", old="two", new="x")
    assert "No such file" in failing(box, "edit", path="zzz", old="a", new="b")
    assert "binary file" in failing(box, "edit", path="binary", old="a", new="c")
    assert "is a directory" in failing(box, "edit", path="dir", old="a", new="c")
    assert "exists" in failing(box, "edit", path="dir", old="", new="c")
    assert "Permission denied" in failing(box, "edit", path="secret", old="old", new="new")
    assert "binary" in failing(box, "edit", path="binary/x", old="", new="c")
    assert content(box, "f") == before


def test_an_edit_that_the_disk_cannot_hold_loses_nothing(own_box):
    own_box.put({"f": (0o100644, b"keep me\n")})
    run(own_box, "head -c 100000000 /dev/zero > filler; true")
    done = edit(own_box, "f", "me", "x" * 5_000_000)
    assert done.exit_code == 1
    assert out(own_box, "cat f") == "keep me\n"


@docker_only
def test_the_way_past_the_engine_is_shut_before_the_agent_arrives_and_leaves_nothing(sandbox_kind):
    before = set(scratch_folder().glob("session-*"))
    sandbox = open_sandbox(sandbox_kind, IMAGE, LIMITS, OUTPUT)
    (folder,) = set(scratch_folder().glob("session-*")) - before
    assert list(folder.iterdir()) == []
    assert run(sandbox, "ls -A /run/session").output == ""
    assert run(sandbox, "touch /run/session/mine").exit_code != 0
    assert run(sandbox, "mkdir /run/session/mine").exit_code != 0
    assert list(folder.iterdir()) == []
    sandbox.close()
    assert not folder.exists()


@docker_only
def test_without_a_shared_file_system_the_session_stays_on_the_exec_socket(sandbox_kind, monkeypatch):
    def nowhere():
        raise OSError("read-only file system")

    monkeypatch.setattr("telos.envs.swe.sandbox.docker.Rendezvous", nowhere)
    sandbox = open_sandbox(sandbox_kind, IMAGE, LIMITS, OUTPUT)
    assert run(sandbox, "ls -A /run/session").exit_code != 0
    assert out(sandbox, "echo hello") == "hello\n"
    assert run(sandbox, "sleep 9", 0.3).stopped == "timeout"
    assert out(sandbox, "head -c 3000000 /dev/zero | tr '\\0' x").startswith("xxx")
    sandbox.close()
