/* Opens the files named f0 … fN-1 for reading, one after another, so many times: opens COUNT N.  Says how many failed. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int count, char **words) {
    long times = atol(words[1]), files = atol(words[2]), failed = 0;
    char name[32];
    (void)count;
    for (long i = 0; i < times; i++) {
        snprintf(name, sizeof name, "f%ld", i % files);
        int file = open(name, O_RDONLY);
        if (file < 0)
            failed++;
        else
            close(file);
    }
    printf("%ld\n", failed);
    return failed > 0;
}
