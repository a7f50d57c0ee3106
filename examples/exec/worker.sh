#!/bin/sh
# A phub worker in a few lines of shell: it answers each request with the name of its child and node.
#
#     phub child start hello --kind exec --arg command=./examples/exec/worker.sh
#     phub req hello
#
# It reads JSON the poor man's way, which is enough here: phub writes "type" first and "id" second,
# and never a line break within a line.
n=0
while IFS= read -r line; do
	case $line in
	'{"type":"request","id":'*)
		id=${line#'{"type":"request","id":'}
		id=${id%%[!0-9]*}
		n=$((n + 1))
		printf '{"type":"reply","id":%s,"data":"hello from %s on %s, request %s"}\n' \
			"$id" "$PHUB_CHILD" "$PHUB_NODE" "$n"
		;;
	'{"type":"mode",'*)
		echo "told: $line" >&2
		;;
	esac
done
