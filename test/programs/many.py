"""Read and write in threads and in processes: many.py NUMBER [fork|spawn|forkserver], with in_0 … and out_0 …"""
import multiprocessing
import os
import sys
import threading


def copy(number):
    with open(f"in_{number}", "rb") as source, open(f"out_{number}", "wb") as target:
        target.write(source.read())


def relative(number):
    folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    source = os.open(f"in_{number}", os.O_RDONLY, dir_fd=folder)
    target = os.open(f"out_{number}", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=folder)
    os.write(target, os.read(source, 100))


if __name__ == "__main__":
    number = int(sys.argv[1])
    threads = [threading.Thread(target=copy, args=(i,)) for i in range(0, number, 3)]
    for thread in threads:
        thread.start()
    with multiprocessing.get_context(sys.argv[2] if len(sys.argv) > 2 else "fork").Pool(2) as pool:
        pool.map(copy, range(1, number, 3))
    for i in range(2, number, 3):
        relative(i)
    for thread in threads:
        thread.join()
