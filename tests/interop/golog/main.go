// SPDX-License-Identifier: Apache-2.0

// Command golog checks a log with software that is not tern's: the packages note and tlog of
// golang.org/x/mod/sumdb, which Go itself uses for its checksum database.
//
//	golog VKEY DIR [PROOF...]
//
// It checks the checkpoint's signature, reads entries and tiles as files, recomputes every leaf
// from its entry, checks the whole tree against the signed root, proofs of inclusion for indexes
// all over the log, proofs of consistency between sizes, and tlog-proof files.
package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func fail(format string, args ...interface{}) {
	fmt.Fprintf(os.Stderr, "golog: "+format+"\n", args...)
	os.Exit(1)
}

// checkpoint opens a signed checkpoint: origin, size, root.
func checkpoint(text []byte, verifier note.Verifier) tlog.Tree {
	n, err := note.Open(text, note.VerifierList(verifier))
	if err != nil {
		fail("checkpoint: %v", err)
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) < 4 || lines[0] != verifier.Name() {
		fail("checkpoint of %q", lines[0])
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		fail("size: %v", err)
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		fail("root %q", lines[2])
	}
	tree := tlog.Tree{N: size}
	copy(tree.Hash[:], root)
	return tree
}

// dir reads tiles of a directory; sumdb has "tile/8/L/N" where tlog-tiles has "tile/L/N".
type dir struct {
	path string
	tree tlog.Tree
}

func (d dir) Height() int { return 8 }

func (d dir) file(t tlog.Tile) string {
	return filepath.Join(d.path, strings.Replace(t.Path(), "tile/8/", "tile/", 1))
}

func (d dir) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var out [][]byte
	for _, t := range tiles {
		b, err := os.ReadFile(d.file(t))
		if err != nil && t.W < 256 { // it may have become full
			full := t
			full.W = 256
			if b, err = os.ReadFile(d.file(full)); err == nil {
				b = b[:t.W*tlog.HashSize]
			}
		}
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

func (d dir) SaveTiles([]tlog.Tile, [][]byte) {}

// bundle returns the entries of one bundle.
func (d dir) bundle(n int64) [][]byte {
	width := d.tree.N - n*256
	if width > 256 {
		width = 256
	}
	t := tlog.Tile{H: 8, L: 0, N: n, W: int(width)}
	name := strings.Replace(d.file(t), "/tile/0/", "/tile/entries/", 1)
	b, err := os.ReadFile(name)
	if err != nil {
		fail("%v", err)
	}
	var out [][]byte
	for len(b) >= 2 {
		size := int(b[0])<<8 | int(b[1])
		if len(b) < 2+size {
			fail("%s is cut", name)
		}
		out = append(out, b[2:2+size])
		b = b[2+size:]
	}
	if len(out) != int(width) || len(b) != 0 {
		fail("%s has %d entries, not %d", name, len(out), width)
	}
	return out
}

// checkProof checks a tlog-proof file whose entry is that of the log.
func checkProof(d dir, verifier note.Verifier, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		fail("%v", err)
	}
	parts := bytes.SplitN(text, []byte("\n\n"), 2)
	lines := strings.Split(string(parts[0]), "\n")
	if len(parts) != 2 || lines[0] != "c2sp.org/tlog-proof@v1" {
		fail("%s is no tlog-proof", file)
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	if err != nil {
		fail("%s: %v", file, err)
	}
	var proof tlog.RecordProof
	for _, line := range lines[2:] {
		h, err := tlog.ParseHash(line)
		if err != nil {
			fail("%s: %v", file, err)
		}
		proof = append(proof, h)
	}
	tree := checkpoint(parts[1], verifier)
	leaf := tlog.RecordHash(d.bundle(index / 256)[index%256])
	if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, leaf); err != nil {
		fail("%s: %v", file, err)
	}
}

func main() {
	if len(os.Args) < 3 {
		fail("usage: golog VKEY DIR [PROOF...]")
	}
	verifier, err := note.NewVerifier(strings.TrimSpace(os.Args[1]))
	if err != nil {
		fail("key: %v", err)
	}
	text, err := os.ReadFile(filepath.Join(os.Args[2], "checkpoint"))
	if err != nil {
		fail("%v", err)
	}
	d := dir{os.Args[2], checkpoint(text, verifier)}
	reader := tlog.TileHashReader(d.tree, d) // checks tiles against the root
	n := d.tree.N

	// The whole tree again, from the entries alone.
	var stored []tlog.Hash
	read := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var out []tlog.Hash
		for _, i := range indexes {
			out = append(out, stored[i])
		}
		return out, nil
	})
	for b := int64(0); b*256 < n; b++ {
		for i, entry := range d.bundle(b) {
			hashes, err := tlog.StoredHashes(b*256+int64(i), entry, read)
			if err != nil {
				fail("%v", err)
			}
			stored = append(stored, hashes...)
		}
	}
	root, err := tlog.TreeHash(n, read)
	if err != nil || root != d.tree.Hash {
		fail("the entries have the root %v, the checkpoint says %v (%v)", root, d.tree.Hash, err)
	}

	inclusions, consistencies := 0, 0
	for i := int64(0); i < n; i += n/997 + 1 {
		proof, err := tlog.ProveRecord(n, i, reader)
		if err != nil {
			fail("proof of %d: %v", i, err)
		}
		leaf := tlog.RecordHash(d.bundle(i / 256)[i%256])
		if err := tlog.CheckRecord(proof, n, d.tree.Hash, i, leaf); err != nil {
			fail("entry %d: %v", i, err)
		}
		inclusions++
	}
	for m := int64(1); m < n; m += n/97 + 1 {
		proof, err := tlog.ProveTree(n, m, reader)
		if err != nil {
			fail("proof from %d: %v", m, err)
		}
		older, err := tlog.TreeHash(m, read)
		if err != nil {
			fail("%v", err)
		}
		if err := tlog.CheckTree(proof, n, d.tree.Hash, m, older); err != nil {
			fail("from %d: %v", m, err)
		}
		consistencies++
	}
	for _, file := range os.Args[3:] {
		checkProof(d, verifier, file)
	}
	fmt.Printf("%s: %d entries, %d inclusion and %d consistency proofs, %d tlog-proofs: ok\n",
		verifier.Name(), n, inclusions, consistencies, len(os.Args)-3)
}
