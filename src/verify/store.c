#include "verify/store.h"

#include "core/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static bool
write_path(Store *store, const char *origin, Verdict *verdict)
{
	uint8_t hash[DIGEST_SIZE];
	size_t length = strlen(store->directory);

	if (length + 2 * DIGEST_SIZE + sizeof("/.fork.new") > STORE_PATH_MAX)
		return verdict_unreadable(verdict, NULL, "the name of the directory is too long");
	if (digest_sha256(origin, strlen(origin), hash) != DIGEST_OK)
		return verdict_machine(verdict, "no SHA-256");
	length = (size_t) snprintf(store->path, sizeof(store->path), "%s/", store->directory);
	for (size_t i = 0; i < DIGEST_SIZE; i++)
		snprintf(store->path + length + 2 * i, 3, "%02x", hash[i]);
	return true;
}

bool
store_open(Store *store, const char *directory, const char *origin, bool may_make, Verdict *verdict)
{
	store->directory = directory;
	if (!write_path(store, origin, verdict))
		return false;
	if (may_make && mkdir(directory, 0777) != 0 && errno != EEXIST)
		return verdict_unreadable(verdict, NULL, "could not make directory \"%s\": %s", directory,
								  strerror(errno));
	store->lock = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (store->lock < 0)
		return verdict_unreadable(verdict, NULL, "could not open directory \"%s\": %s", directory,
								  strerror(errno));
	if (flock(store->lock, LOCK_EX) == 0)
		return true;
	store_close(store);
	return verdict_unreadable(verdict, NULL, "could not lock directory \"%s\"", directory);
}

bool
store_read(const Store *store, Input *input, bool *found, Verdict *verdict)
{
	*input = (Input){NULL, 0};
	*found = access(store->path, F_OK) == 0;
	if (!*found && errno != ENOENT)
		return verdict_unreadable(verdict, NULL, "could not open \"%s\": %s", store->path, strerror(errno));
	return !*found || input_read(store->path, input, verdict);
}

static bool
write_durably(const char *path, const char *bytes, size_t length)
{
	int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	bool done = file >= 0;

	while (done && length > 0)
	{
		ssize_t written = write(file, bytes, length);

		done = written > 0 || (written < 0 && errno == EINTR);
		if (written > 0)
		{
			bytes += written;
			length -= (size_t) written;
		}
	}
	done = done && fsync(file) == 0;
	return file >= 0 && close(file) == 0 && done;
}

bool
store_write(const Store *store, const char *suffix, const char *bytes, size_t length, Verdict *verdict)
{
	char path[STORE_PATH_MAX + 8];
	char path_new[STORE_PATH_MAX + 16];

	snprintf(path, sizeof(path), "%s%s", store->path, suffix);
	snprintf(path_new, sizeof(path_new), "%s.new", path);
	if (write_durably(path_new, bytes, length) && rename(path_new, path) == 0 && fsync(store->lock) == 0)
		return true;
	return verdict_unreadable(verdict, NULL, "could not write \"%s\": %s", path, strerror(errno));
}

bool
store_time(const Store *store, int64_t *seconds, Verdict *verdict)
{
	struct stat status;

	if (stat(store->path, &status) != 0)
		return verdict_unreadable(verdict, NULL, "could not look at \"%s\": %s", store->path,
								  strerror(errno));
	*seconds = (int64_t) status.st_mtime;
	return true;
}

void
store_close(Store *store)
{
	close(store->lock);
	store->lock = -1;
}
