// Lists a bucket with the SDK for Go v2 and its default chain: BUCKET. It answers lines, as `lister.rs` says.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func version() string {
	said := "ok"
	if build, known := debug.ReadBuildInfo(); known {
		for _, part := range build.Deps {
			if strings.HasSuffix(part.Path, "/service/s3") || strings.HasSuffix(part.Path, "/config") {
				said += " " + strings.TrimPrefix(part.Path, "github.com/aws/") + " " + part.Version
			}
		}
	}
	return said
}

func list(storage *s3.Client, bucket string, calls int) string {
	keys := []string{}
	for ; calls > 0; calls-- {
		listed, err := storage.ListObjectsV2(context.Background(), &s3.ListObjectsV2Input{Bucket: &bucket})
		if err != nil {
			return "error " + strings.Join(strings.Fields(err.Error()), " ")
		}
		keys = keys[:0]
		for _, object := range listed.Contents {
			keys = append(keys, aws.ToString(object.Key))
		}
	}
	return "ok " + strings.Join(keys, "|")
}

func main() {
	settings, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	storage := s3.NewFromConfig(settings, func(o *s3.Options) { o.UsePathStyle = true })
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if calls, err := strconv.Atoi(lines.Text()); err == nil {
			fmt.Println(list(storage, os.Args[1], calls))
		} else {
			fmt.Println(version())
		}
	}
}
