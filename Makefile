# billing: build, install, check, demo. See README.md.
#
#   make               build the extension             make check      set up what is missing, run every suite
#   make install       into the server of PG_CONFIG    make demo       one month of a GPU cloud, end to end
#   make installcheck  pg_regress, isolation only      make lint       format, static analysis, house rules
#   make check-SUITE   one of core fuzz verify         make format     clang-format, in place
#                      regress pgtap isolation tap     make coverage   lines of src/core that test/core reaches
#   make setup         only the setting up             make fuzz       each fuzzer for FUZZ_SECONDS
#   make soak    races for SECONDS (1800)              make doc        doc/reference.md, from the comments
#   make bench   each stage beside its floor           make matrix     make check on 17 and 18, in Debian roots

# The targets for development start PGXS in a second make, for there may be no PGXS before they have set up.
SUITES    = core fuzz verify regress pgtap isolation tap
DEV_GOALS = setup check $(SUITES:%=check-%) demo lint format coverage fuzz doc soak bench matrix
PG_CONFIG ?= pg_config
export PG_CONFIG

all:

# The offline verifier needs the core and libcrypto, and no PostgreSQL: make build/billing-verify builds it anywhere. Its
# tests run it with the sanitizers as well.
VERIFY_OBJS   := $(patsubst src/%.c,%.o,$(sort $(wildcard src/verify/*.c src/core/*.c)))
VERIFY_CFLAGS  = -std=c11 -D_GNU_SOURCE -g -Wall -Wextra -Werror -fstack-protector-strong -fPIE -Isrc -Isrc/core
VERIFY_ASAN    = -O1 -fsanitize=address,undefined -fno-sanitize-recover=all

build/verify/%.o: src/%.c $(wildcard src/core/*.h src/verify/*.h) Makefile
	@mkdir -p $(@D)
	$(CC) $(VERIFY_CFLAGS) -O2 -c -o $@ $<
build/verify-asan/%.o: src/%.c $(wildcard src/core/*.h src/verify/*.h) Makefile
	@mkdir -p $(@D)
	$(CC) $(VERIFY_CFLAGS) $(VERIFY_ASAN) -c -o $@ $<
build/billing-verify: $(VERIFY_OBJS:%=build/verify/%)
	$(CC) -pie -o $@ $^ -lcrypto -lm
build/billing-verify-asan: $(VERIFY_OBJS:%=build/verify-asan/%)
	$(CC) -pie $(VERIFY_ASAN) -o $@ $^ -lcrypto -lm

ifneq (,$(filter $(DEV_GOALS),$(MAKECMDGOALS)))

setup:
	@test/setup.sh check
check:
	@test/check.sh $(SUITES)
$(SUITES:%=check-%): check-%:
	@test/check.sh $*
demo:
	@test/demo.sh
lint:
	@test/lint.sh
format:
	@test/setup.sh lint
	clang-format-14 -i src/*/*.[ch] test/core/*.[ch] test/verify/*.c
coverage:
	@test/coverage.sh
doc:
	@test/install.sh
	test/cluster.sh reference doc/reference.sh > build/reference.md
	mv build/reference.md doc/reference.md
soak:
	@SOAK_SECONDS=$(or $(SECONDS),1800) test/soak.sh
matrix:
	@test/matrix.sh
bench:
	@test/install.sh
	@test/cluster.sh --durable --signed billing_bench test/bench/bench.py build/bench
	@test/cluster.sh --durable --signed billing_bench test/bench/evidence.sh
	@test/cluster.sh --durable billing_bench test/bench/access.sh
fuzz:
	@FUZZ_SECONDS=$(or $(FUZZ_SECONDS),600) test/check.sh fuzz

# Named beside one of those: make clean check.
$(filter-out $(DEV_GOALS),$(MAKECMDGOALS)):
	@$(MAKE) $@

.NOTPARALLEL:
.PHONY: $(MAKECMDGOALS)

else

EXTENSION   = billing
EXTVERSION  = 0.1.0
MODULE_big  = billing
MODULES_LIST := $(shell cat src/modules.list)

CORE_SRC   := $(sort $(wildcard src/core/*.c))
SERVER_SRC := $(sort $(foreach m,$(MODULES_LIST),$(wildcard src/$(m)/*.c)))
HDRS       := $(sort $(wildcard src/*/*.h))
# What of the verifier reads and checks a document: the server asks it too before retention drops what a bundle proves.
CHECK_SRC   := $(patsubst %,src/verify/%.c,bundle check counts document input invoice log postings row shape terms verdict)
OBJS        = $(CORE_SRC:.c=.o) $(CHECK_SRC:.c=.o) $(SERVER_SRC:.c=.o) build/embedded.o

# What the extension script is made of: in module order, functions before the views that use them.
SQL_SRC     := src/server/begin.sql $(foreach m,$(MODULES_LIST),$(filter-out src/server/begin.sql src/server/end.sql %/tables.sql %/access.sql,$(sort $(wildcard src/$(m)/*.sql)))) src/server/end.sql
# What is embedded in the library: tables, run once by billing.install(); grants, run by each; and the statements of the
# set-based stages.
EMBED_SRC   := $(foreach m,$(MODULES_LIST),$(wildcard src/$(m)/tables.sql src/$(m)/access.sql) $(sort $(wildcard src/$(m)/statements/*.sql)))

# DATA on the command line is the demo's input; to PGXS it would be a list of files to install.
override DATA =
DATA_built  = build/$(EXTENSION)--$(EXTVERSION).sql
EXTRA_CLEAN = build

PG_CPPFLAGS = -I$(CURDIR)/src -I$(CURDIR)/build
PG_CFLAGS   = -std=gnu11 -Wall -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers -fvisibility=hidden
SHLIB_LINK  = -lcrypto

REGRESS      = $(patsubst sql/%.sql,%,$(sort $(wildcard sql/*.sql)))
REGRESS_OPTS = --inputdir=$(CURDIR) --encoding=UTF8 --load-extension=billing
ISOLATION    = $(patsubst test/isolation/specs/%.spec,%,$(sort $(wildcard test/isolation/specs/*.spec)))
ISOLATION_OPTS = --inputdir=$(CURDIR)/test/isolation --load-extension=billing

PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

$(OBJS) $(OBJS:.o=.bc): $(HDRS)

build/$(EXTENSION)--$(EXTVERSION).sql: $(SQL_SRC) src/modules.list Makefile
	@mkdir -p build
	cat $(SQL_SRC) > $@

build/embedded.c build/embedded.h &: $(EMBED_SRC) src/server/embed.pl src/modules.list Makefile
	@mkdir -p build
	perl src/server/embed.pl build/embedded $(EMBED_SRC)

build/embedded.o build/embedded.bc: build/embedded.c
$(OBJS) $(OBJS:.o=.bc): build/embedded.h

all: build/billing-verify

install: install-verify
install-verify: build/billing-verify
	$(MKDIR_P) '$(DESTDIR)$(bindir)'
	$(INSTALL_PROGRAM) build/billing-verify '$(DESTDIR)$(bindir)/'
uninstall: uninstall-verify
uninstall-verify:
	rm -f '$(DESTDIR)$(bindir)/billing-verify'
.PHONY: install-verify uninstall-verify

endif
