# sourced by the scripts; sets HERE, CP for KAFKA_VERSION (default 4.3.1)
HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
KAFKA_VERSION="${KAFKA_VERSION:-4.3.1}"
LIBS="${KAFKA_PEER_CACHE:-$HERE/.cache}/libs-$KAFKA_VERSION"
pom() { case "$KAFKA_VERSION" in [123].*) echo "$HERE/pom-old.xml";; *) echo "$HERE/pom.xml";; esac; }
ensure_libs() {   # $1: pom file
  [ -e "$LIBS/.done" ] && return 0
  mkdir -p "$LIBS"
  ( exec 9>"$LIBS/.lock"; flock 9
    [ -e "$LIBS/.done" ] && exit 0
    timeout 600 mvn -B -q -f "$1" -Dkafka.version="$KAFKA_VERSION" \
      org.apache.maven.plugins:maven-dependency-plugin:2.8:copy-dependencies -DoutputDirectory="$LIBS" >"$LIBS/.mvn.log" 2>&1 \
      || { echo "maven could not resolve the jars; see $LIBS/.mvn.log" >&2; exit 1; }
    touch "$LIBS/.done" ) || exit 1
}
