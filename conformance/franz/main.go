// Command franz keeps franz-go at hand for the tests: it reads one JSON object a line and answers each with one line.
// The operations are produce and consume, each with a client of its own.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

type header struct {
	Key   string `json:"key"`
	Value []byte `json:"value"`
}

type record struct {
	Partition     int32    `json:"partition"`
	Offset        int64    `json:"offset"`
	Timestamp     *int64   `json:"timestamp"`
	TimestampType int8     `json:"timestamp_type"`
	Key           []byte   `json:"key"`
	Value         []byte   `json:"value"`
	Headers       []header `json:"headers"`
}

type ask struct {
	Op         string `json:"op"`
	Bootstrap  string `json:"bootstrap"`
	Topic      string `json:"topic"`
	Partition  int32  `json:"partition"`
	Codec      string `json:"codec"`
	Acks       string `json:"acks"`
	Idempotent bool   `json:"idempotent"`
	BatchBytes int32  `json:"batch_bytes"`
	Alone      bool   `json:"alone"`
	Offset     int64  `json:"offset"`
	Count      int    `json:"count"`
	TimeoutMs  int64  `json:"timeout_ms"`
	Records    []struct {
		Timestamp *int64   `json:"timestamp"`
		Key       []byte   `json:"key"`
		Value     []byte   `json:"value"`
		Headers   []header `json:"headers"`
	} `json:"records"`
}

type result struct {
	Offset    int64  `json:"offset"`
	Timestamp int64  `json:"timestamp"`
	Error     string `json:"error,omitempty"`
}

type answer struct {
	Failed  string   `json:"failed,omitempty"`
	Results []result `json:"results,omitempty"`
	Records []record `json:"records"`
}

var codecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

var acks = map[string]kgo.Acks{"0": kgo.NoAck(), "1": kgo.LeaderAck(), "all": kgo.AllISRAcks()}

func main() {
	lines := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var a ask
		var reply answer
		if err = json.Unmarshal(line, &a); err == nil {
			reply, err = serve(&a)
		}
		if err != nil {
			reply.Failed = err.Error()
		}
		if out.Encode(reply) != nil {
			return
		}
	}
}

func serve(a *ask) (answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(a.TimeoutMs)*time.Millisecond)
	defer cancel()
	switch a.Op {
	case "produce":
		return produce(ctx, a)
	case "consume":
		return consume(ctx, a)
	default:
		return answer{}, fmt.Errorf("no such op %q", a.Op)
	}
}

func produce(ctx context.Context, a *ask) (answer, error) {
	opts := []kgo.Opt{
		kgo.SeedBrokers(a.Bootstrap), kgo.DefaultProduceTopic(a.Topic), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(codecs[a.Codec]), kgo.RequiredAcks(acks[a.Acks]), kgo.RecordRetries(5),
	}
	if !a.Idempotent {
		opts = append(opts, kgo.DisableIdempotentWrite())
	}
	if a.BatchBytes > 0 {
		opts = append(opts, kgo.ProducerBatchMaxBytes(a.BatchBytes))
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return answer{}, err
	}
	defer client.Close()
	results := make([]result, len(a.Records))
	for i, r := range a.Records {
		kr := &kgo.Record{Partition: a.Partition, Key: r.Key, Value: r.Value}
		if r.Timestamp != nil {
			kr.Timestamp = time.UnixMilli(*r.Timestamp)
		}
		for _, h := range r.Headers {
			kr.Headers = append(kr.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
		}
		client.Produce(ctx, kr, func(done *kgo.Record, err error) {
			results[i] = result{Offset: done.Offset, Timestamp: done.Timestamp.UnixMilli()}
			if err != nil {
				results[i] = result{Offset: -1, Error: errorName(err)}
			}
		})
		if a.Alone {
			if err := client.Flush(ctx); err != nil {
				return answer{}, err
			}
		}
	}
	return answer{Results: results}, client.Flush(ctx)
}

func errorName(err error) string {
	var ke *kerr.Error
	if errors.As(err, &ke) {
		return ke.Message
	}
	return err.Error()
}

func consume(ctx context.Context, a *ask) (answer, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(a.Bootstrap), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{
		a.Topic: {a.Partition: kgo.NewOffset().At(a.Offset)},
	}))
	if err != nil {
		return answer{}, err
	}
	defer client.Close()
	reply := answer{Records: []record{}}
	for len(reply.Records) < a.Count && ctx.Err() == nil {
		fetches := client.PollFetches(ctx)
		for _, failed := range fetches.Errors() {
			if !errors.Is(failed.Err, context.DeadlineExceeded) {
				return reply, failed.Err
			}
		}
		fetches.EachRecord(func(r *kgo.Record) {
			at := r.Timestamp.UnixMilli()
			got := record{
				Partition: r.Partition, Offset: r.Offset, Timestamp: &at, TimestampType: r.Attrs.TimestampType(),
				Key: r.Key, Value: r.Value, Headers: []header{},
			}
			for _, h := range r.Headers {
				got.Headers = append(got.Headers, header{h.Key, h.Value})
			}
			reply.Records = append(reply.Records, got)
		})
	}
	return reply, nil
}
