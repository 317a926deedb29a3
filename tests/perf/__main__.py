"""`make bench`: speed of our own code, as ratios against a bound measured in the same run."""

from tests.perf import ingest, pages, run_overhead, window_share


def main() -> None:
    """Every benchmark that needs no GPU, one after the other."""
    print("== Loading our records against DuckDB's bare create table", flush=True)
    ingest.main()
    print("== Tokens/s of bench run against a bare generate loop", flush=True)
    run_overhead.main([])
    print("== The harness's own share between first and last token", flush=True)
    window_share.main([])
    print("== Pages in a browser against an app of one small chart", flush=True)
    pages.main([])


if __name__ == "__main__":
    main()
