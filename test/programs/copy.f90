! Copies the file "in" to "out", line by line.
program copy
  character(len=100) :: line
  integer :: status
  open(10, file="in", status="old", action="read")
  open(11, file="out", status="replace", action="write")
  do
    read(10, "(a)", iostat=status) line
    if (status /= 0) exit
    write(11, "(a)") trim(line)
  end do
  close(11)
end program copy
