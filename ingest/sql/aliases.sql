-- One row per spelling of a model of the reviewed file: its id and its aliases.
insert or replace into model_aliases
select distinct
    lower(unnest(list_append(string_split(coalesce(aliases, ''), '|'), model_id))) as alias,
    model_id
from read_csv($models, header = true)
