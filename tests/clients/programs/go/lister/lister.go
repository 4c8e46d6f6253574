// Package lister answers the lines that `lister.rs` writes, with a client of the SDK for Go v2.
package lister

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// version names the modules of this program whose paths end with one of the parts.
func version(parts []string) string {
	said := "ok"
	if build, known := debug.ReadBuildInfo(); known {
		for _, module := range build.Deps {
			for _, part := range parts {
				if strings.HasSuffix(module.Path, part) {
					said += " " + strings.TrimPrefix(module.Path, "github.com/") + " " + module.Version
				}
			}
		}
	}
	return said
}

func failure(err error) string {
	return "error " + strings.Join(strings.Fields(err.Error()), " ")
}

func list(storage *s3.Client, bucket string, calls int) string {
	keys := []string{}
	for ; calls > 0; calls-- {
		listed, err := storage.ListObjectsV2(context.Background(), &s3.ListObjectsV2Input{Bucket: &bucket})
		if err != nil {
			return failure(err)
		}
		keys = keys[:0]
		for _, object := range listed.Contents {
			keys = append(keys, aws.ToString(object.Key))
		}
	}
	return "ok " + strings.Join(keys, "|")
}

// Run answers lines until the input ends. It loads the configuration at the first listing, again after an error.
func Run(load func(context.Context) (aws.Config, error), parts ...string) {
	var storage *s3.Client
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		calls, err := strconv.Atoi(lines.Text())
		if err != nil {
			fmt.Println(version(parts))
			continue
		}
		if storage == nil {
			settings, err := load(context.Background())
			if err != nil {
				fmt.Println(failure(err))
				continue
			}
			storage = s3.NewFromConfig(settings, func(o *s3.Options) { o.UsePathStyle = true })
		}
		fmt.Println(list(storage, os.Args[1], calls))
	}
}
