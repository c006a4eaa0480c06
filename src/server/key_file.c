/*
 * key_file.c: the one way in which a file with a key is read.
 *
 * Whoever can change the file, or have another one read in its place, has the key's power; so it is opened once,
 * followed through no link, and looked at before a byte is read.
 */
#include "postgres.h"
#include "fmgr.h"

#include <fcntl.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"

#include "server/key_file.h"

/* Why the open file may not be used, or NULL. */
static const char *
file_problem(int file, const char *path)
{
	struct stat status;
	char resolved[PATH_MAX];
	char data[PATH_MAX];

	if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode))
		return "it is not a regular file";
	if (status.st_uid != geteuid())
		return "the file does not belong to the server's user";
	if ((status.st_mode & (S_IRWXG | S_IRWXO | S_IXUSR)) != 0)
		return "the file's mode is neither 0600 nor 0400";
	if (status.st_size > BILLING_KEY_FILE_MAX)
		return "the file is too large";
	if (realpath(path, resolved) == NULL || realpath(DataDir, data) == NULL)
		return "the file's path cannot be resolved";
	if (strncmp(resolved, data, strlen(data)) == 0 && resolved[strlen(data)] == '/')
		return "the file is inside the data directory";
	return NULL;
}

/* All of the file, up to the first of: its end, the end of the buffer, an error. */
static ssize_t
read_all(int file, char *content)
{
	ssize_t total = 0;

	while (total < BILLING_KEY_FILE_MAX)
	{
		ssize_t length = read(file, content + total, BILLING_KEY_FILE_MAX - total);

		if (length < 0 && errno == EINTR)
			continue;
		if (length < 0)
			return -1;
		if (length == 0)
			break;
		total += length;
	}
	return total;
}

const char *
billing_read_key_file(const char *path, BillingKeyFile *content)
{
	const char *problem;
	ssize_t length;
	int file = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

	content->length = 0;
	if (file < 0)
		return errno == ELOOP ? "the file is a symbolic link" : "the file cannot be opened";
	problem = file_problem(file, path);
	length = problem == NULL ? read_all(file, content->bytes) : 0;
	close(file);
	if (problem == NULL && length < 0)
		problem = "the file cannot be read";
	if (problem == NULL && length == 0)
		problem = "the file is empty";
	if (problem != NULL)
	{
		OPENSSL_cleanse(content, sizeof(*content));
		return problem;
	}
	content->length = length;
	return NULL;
}

void
billing_forget_key_file(BillingKeyFile *content)
{
	OPENSSL_cleanse(content, sizeof(*content));
}
