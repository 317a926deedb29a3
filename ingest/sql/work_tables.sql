-- Tables that live only during one ingest.
-- One row per run whose totals must be computed again.
create temp table touched (run_id varchar primary key);
-- One row per run that this ingest loads rows of: its number in the warehouse.
create temp table numbered (run_id varchar primary key, run_number integer not null);
-- One row per incoming file of the batch in hand.
create temp table batch (file_id integer, filename varchar, path varchar);
-- One row per incoming file and run of the batch in hand: see records_surveyed.sql.
create temp table surveyed (
    filename varchar, run_id varchar, schema_version smallint, bytes bigint, problems bigint, least_setup ubigint, largest_setup ubigint
);
-- One row per incoming row that breaks the contract.
create temp table broken (filename varchar, "row" bigint, problem varchar);
-- One row per model that a source names.
create temp table named (
    source_id varchar, model_name varchar, url varchar, params_total_b double, params_active_b double
);
