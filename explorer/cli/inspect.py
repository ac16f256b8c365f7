"""Commands that read runs and bundles: ``show``, ``compare``, ``check``, ``export``."""

from pathlib import Path
from typing import Annotated

import typer

from explorer.cli.options import AsJson
from explorer.errors import InputError

commands = typer.Typer()


@commands.command()
def show(
    run: Annotated[Path, typer.Argument(help="Run.")],
    cluster: Annotated[int | None, typer.Option(min=0, help="One cluster, with its points and curve.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print a run or a cluster, as in the browser, as a table or JSON."""
    from explorer.runs.report.show import (
        SPARE,
        cluster_facts,
        cluster_rows,
        cluster_table,
        label_rows,
        run_rows,
        run_table,
    )
    from explorer.runs.run.reader import open_run
    from explorer.terminal import print_json, print_table

    opened = open_run(run)
    if as_json:
        print_json(run_table(opened) if cluster is None else cluster_table(opened, cluster))
    elif cluster is None:
        print_table(*run_rows(opened), SPARE)
    else:
        values, labels = cluster_rows(opened, cluster), label_rows(opened, cluster)
        print_table(*cluster_facts(opened, cluster))
        print_table(*values)
        if labels[-1]:
            print_table(*labels)


@commands.command()
def compare(
    left: Annotated[Path, typer.Argument(help="Run.")],
    right: Annotated[Path, typer.Argument(help="Run; the same as the left one to compare its clusters.")],
    cluster: Annotated[int | None, typer.Option(min=0, help="One cluster of the left run.")] = None,
    other: Annotated[
        int | None, typer.Option(min=0, help="Cluster of the right run; the most similar if absent.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Match the clusters of two runs, or list the differences between two clusters."""
    from explorer.runs.compare.matching import compare_runs, counterpart
    from explorer.runs.compare.pair import compare_clusters
    from explorer.runs.compare.similarity import read_matching_input
    from explorer.runs.compare.tables import pair_rows, pair_table, runs_rows, runs_table
    from explorer.runs.run.reader import open_run
    from explorer.terminal import print_json, print_table

    if cluster is None and other is not None:
        raise InputError("--other", str(other), "--cluster too, the cluster of the left run")
    mine, theirs = (read_matching_input(open_run(path)) for path in (left, right))
    if cluster is None:
        matched = compare_runs(mine, theirs)
        print_json(runs_table(mine, theirs, matched)) if as_json else print_table(*runs_rows(mine, theirs, matched))
        return
    second = counterpart(mine, cluster, theirs) if other is None else other
    pair = compare_clusters(mine, cluster, theirs, second)
    print_json(pair_table(mine, theirs, pair)) if as_json else print_table(*pair_rows(mine, theirs, pair))


@commands.command()
def check(path: Annotated[Path, typer.Argument(help="Bundle, run or tour.")], as_json: AsJson = False) -> None:
    """Verify every file of a bundle, run or tour, and list the problems."""
    from explorer.app.tour.check import check_tour, is_tour
    from explorer.runs.report.check import check as check_folder
    from explorer.terminal import print_json, print_line

    report = check_tour(path) if is_tour(path) else check_folder(path)
    problems = [str(problem) for problem in report.problems]
    if as_json:
        print_json({"path": str(path), "kind": report.kind, "ok": report.ok, "problems": problems})
    else:
        for line in problems or [f"{path}: a sound {report.kind}, {report.n_files} files"]:
            print_line(line)
    if not report.ok:
        found = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise InputError(path, f"{found}, the first in {report.problems[0].file}", f"a sound {report.kind}")


@commands.command()
def export(
    run: Annotated[Path, typer.Argument(help="Run, or with --html also a tour.")],
    out: Annotated[Path | None, typer.Option(help="Output folder.")] = None,
    formats: Annotated[
        list[str] | None, typer.Option("--format", help="csv, parquet, svg or png; csv and svg if absent.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Self-contained HTML file of a manifold's page or a tour.")] = None,
    cluster: Annotated[int | None, typer.Option(min=0, help="Cluster whose page --html writes.")] = None,
    as_json: AsJson = False,
) -> None:
    """Export a run's tables (CSV, Parquet) and portraits (SVG, PNG), or one manifold or tour as an HTML file."""
    if html is not None:
        _export_html(run, html, cluster, as_json)
        return
    if out is None:
        raise InputError("explorer export", "neither --out nor --html", "a folder, or an HTML file")
    from explorer.runs.report.export import DEFAULT_FORMATS, export_run
    from explorer.runs.run.reader import open_run
    from explorer.terminal import print_json, say

    files = export_run(open_run(run), out, tuple(formats or DEFAULT_FORMATS))
    print_json({"export": str(out), "files": sorted(files)}) if as_json else say(f"{out}: {len(files)} files")


def _export_html(path: Path, out: Path, cluster: int | None, as_json: bool) -> None:
    from explorer.app.still.page_file import manifold_file, tour_file
    from explorer.app.tour.check import is_tour
    from explorer.app.tour.tour_file import open_tour
    from explorer.runs.run.reader import open_run
    from explorer.terminal import print_json, say

    if is_tour(path):
        size = tour_file(open_tour(path), out)
    elif cluster is None:
        raise InputError("--cluster", "nothing", "the cluster number for --html")
    else:
        size = manifold_file(open_run(path), cluster, out)
    print_json({"file": str(out), "bytes": size}) if as_json else say(f"{out}: {size / 1e6:.1f} MB")
