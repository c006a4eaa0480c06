#!/bin/bash
# CREATE OR REPLACE and IF NOT EXISTS in an extension script would adopt an object that someone made before it, with
# that person's rights. (An IF NOT EXISTS with a parenthesis is PL/pgSQL's.)

grep -nHiE 'CREATE OR REPLACE|IF NOT EXISTS +[^( ]' build/billing--*.sql
