-- One row per run: replaced only by a file that knows at least as many sessions.
insert into run_notes
values (
    $run_id,
    $fingerprint,
    $finished,
    $sessions,
    $books_counter_j,
    $books_windows_j,
    $books_gaps_j,
    $books_ratio,
    $counter_step_s,
    $file_id
)
on conflict (run_id) do update set
    fingerprint = excluded.fingerprint,
    finished = excluded.finished,
    sessions = excluded.sessions,
    books_counter_j = excluded.books_counter_j,
    books_windows_j = excluded.books_windows_j,
    books_gaps_j = excluded.books_gaps_j,
    books_ratio = excluded.books_ratio,
    counter_step_s = excluded.counter_step_s,
    file_id = excluded.file_id
where (excluded.sessions, coalesce(excluded.finished, false)) >= (run_notes.sessions, coalesce(run_notes.finished, false))
