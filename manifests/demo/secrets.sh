#!/bin/sh
# Makes what the demo's NATS and PostgreSQL need and no repository may hold: an authority, certificates, a password.
# They go to `secrets/` beside this script, from where the overlay takes them; run it once before `kubectl apply -k`.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
cd secrets

days=30
[ -e ca.key ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days "$days" \
  -subj "/CN=agent-comms demo authority" -addext "keyUsage=critical,keyCertSign,cRLSign" -keyout ca.key -out ca.crt

# certificate NAME USAGE DNS...: NAME.crt and NAME.key, signed by the authority
certificate() {
  name=$1 usage=$2
  shift 2
  [ -e "$name.key" ] && return
  names=$(printf 'DNS:%s,' "$@")
  printf 'subjectAltName=%s\nextendedKeyUsage=%s\n' "${names%,}" "$usage" > "$name.ext"
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$name.key" -out "$name.csr"
  openssl x509 -req -in "$name.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days "$days" -extfile "$name.ext" -out "$name.crt"
  rm "$name.csr" "$name.ext"
}

certificate nats serverAuth nats nats.agent-comms nats.agent-comms.svc nats.agent-comms.svc.cluster.local
certificate postgres serverAuth postgres postgres.agent-comms postgres.agent-comms.svc
# NATS takes a user's name from its certificate.
certificate ingest clientAuth ingest
certificate admin clientAuth admin

if ! [ -e password ]; then
  openssl rand -hex 24 | tr -d '\n' > password
  printf 'postgres://postgres:%s@postgres.agent-comms.svc:5432/postgres' "$(cat password)" > url
fi
echo "made in $(pwd); the sidecars of a namespace get theirs from the same authority:"
echo "  agent-comms-injector credentials NAMESPACE --ca-cert $(pwd)/ca.crt --ca-key $(pwd)/ca.key | kubectl apply -f -"
