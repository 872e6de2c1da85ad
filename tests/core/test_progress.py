import io

from core.progress import ProgressLine, track


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_quick_work_stays_quiet(capsys):
    assert list(track([1, 2, 3], "count")) == [1, 2, 3]
    assert capsys.readouterr().err == ""


def test_long_work_shows_share_and_time_left(monkeypatch):
    now = iter([100.0, 102.0, 104.0])
    monkeypatch.setattr("core.progress.time.monotonic", lambda: next(now))
    stream = Terminal()
    line = ProgressLine("embed", stream=stream)
    line(25, 100)
    line(100, 100)
    assert "embed:  25% (25/100) about 6 s left" in stream.getvalue()
    assert "100% (100/100) in 4 s\n" in stream.getvalue()
