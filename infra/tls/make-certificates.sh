#!/usr/bin/env bash
# Makes a private certificate authority and a certificate for each component of one deployment. Nothing here is a secret but the
# keys, and no key leaves the folder: the authority's own is not mounted anywhere, so keep it offline, or delete it and make all
# anew when they expire.
#
#   infra/tls/make-certificates.sh FOLDER [NAME …]
#
#   FOLDER          where the certificates go, such as secrets/tls; made with mode 0700 if it is not there
#   NAME            a further name or IP address under which people reach the service
#   DOMICILE_CERTIFICATE_DAYS   days that the components' certificates are good for (default: 397)
#
# What is there already is kept: to renew a component, remove its .pem and .key and run this again. Needs OpenSSL 1.1.1 or newer.
set -euo pipefail
umask 077

folder=${1:?name the folder that the certificates go to}
shift
days=${DOMICILE_CERTIFICATE_DAYS:-397}
components=(service postgres key-store qdrant sglang otel-collector)

mkdir -p -- "$folder"
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT

# The component's own name, this machine, and whatever else is given.
names() {
  local name list="DNS:$1,DNS:localhost,IP:127.0.0.1,IP:::1"
  for name in "${@:2}"; do
    if [[ $name =~ ^[0-9.]+$ || $name == *:* ]]; then list+=",IP:$name"; else list+=",DNS:$name"; fi
  done
  printf '%s' "$list"
}

key() { openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null ||
        openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }

if [[ ! -e $folder/ca.pem ]]; then
  key "$folder/ca.key"
  openssl req -x509 -new -key "$folder/ca.key" -sha256 -days 3650 -subj "/CN=Domicile components" \
    -addext "basicConstraints=critical,CA:TRUE,pathlen:0" -addext "keyUsage=critical,keyCertSign,cRLSign" -out "$folder/ca.pem"
fi

for component in "${components[@]}"; do
  [[ -e $folder/$component.pem && -e $folder/$component.key ]] && continue
  further=()
  [[ $component == service ]] && further=("$@")
  key "$folder/$component.key"
  openssl req -new -key "$folder/$component.key" -subj "/CN=$component" -out "$scratch/request"
  cat >"$scratch/extensions" <<EXTENSIONS
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
subjectAltName=$(names "$component" ${further[@]+"${further[@]}"})
EXTENSIONS
  openssl x509 -req -in "$scratch/request" -CA "$folder/ca.pem" -CAkey "$folder/ca.key" -set_serial "0x$(openssl rand -hex 16)" \
    -days "$days" -sha256 -extfile "$scratch/extensions" -out "$folder/$component.pem" 2>/dev/null
done

# Each container reads its own key as a user of its own; what closes the keys to others on this machine is the folder.
chmod 0644 -- "$folder"/*.pem
for component in "${components[@]}"; do chmod 0644 -- "$folder/$component.key"; done
printf 'The certificates in %s are good until %s.\n' "$folder" \
  "$(openssl x509 -in "$folder/service.pem" -noout -enddate | cut -d = -f 2)"
