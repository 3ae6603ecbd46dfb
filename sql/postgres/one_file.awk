# Replaces each \ir line of a psql script by the file it names, which is relative to this folder.

/^\\ir / {
    file = "sql/postgres/" $2
    print "-- " $2 "\n"
    while ((status = (getline line < file)) > 0) print line
    if (status < 0) { print "no such file: " file > "/dev/stderr"; exit 1 }
    close(file)
    print ""
    next
}
{ print }
