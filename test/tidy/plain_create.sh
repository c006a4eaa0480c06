#!/bin/bash
# CREATE OR REPLACE and IF NOT EXISTS in an extension script would adopt an object that someone made before it, with
# that person's rights. Tables are made later, by billing.install().
set -euo pipefail

grep -nHiE 'CREATE OR REPLACE|IF NOT EXISTS +[^( ]' build/billing--*.sql | { ! grep .; }
