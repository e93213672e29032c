SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
CREATE FUNCTION public.ragstore_count_lightrag_doc_chunks() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO '$user', 'public'
    AS $$ BEGIN IF TG_OP <> 'DELETE' THEN INSERT INTO ragstore_change (workspace, kind, name, rows, bytes) SELECT n.workspace, 'kv'::text, 'text_chunks'::text, count(*), coalesce(sum(octet_length(n.id) + coalesce(octet_length(n.ragstore_extra::text), 0) + 8 + coalesce(octet_length(n.content), 0) + 8 + coalesce(octet_length(n.full_doc_id), 0) + coalesce(octet_length(n.file_path), 0) + coalesce(octet_length(n.llm_cache_list::text), 0) + coalesce(octet_length(n.heading::text), 0) + coalesce(octet_length(n.sidecar::text), 0)), 0) FROM added n GROUP BY 1, 2, 3; END IF; IF TG_OP <> 'INSERT' THEN INSERT INTO ragstore_change (workspace, kind, name, rows, bytes) SELECT n.workspace, 'kv'::text, 'text_chunks'::text, -count(*), -coalesce(sum(octet_length(n.id) + coalesce(octet_length(n.ragstore_extra::text), 0) + 8 + coalesce(octet_length(n.content), 0) + 8 + coalesce(octet_length(n.full_doc_id), 0) + coalesce(octet_length(n.file_path), 0) + coalesce(octet_length(n.llm_cache_list::text), 0) + coalesce(octet_length(n.heading::text), 0) + coalesce(octet_length(n.sidecar::text), 0)), 0) FROM removed n GROUP BY 1, 2, 3; END IF; RETURN NULL; END $$;
CREATE FUNCTION public.ragstore_count_lightrag_doc_full() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO '$user', 'public'
    AS $$ BEGIN IF TG_OP <> 'DELETE' THEN INSERT INTO ragstore_change (workspace, kind, name, rows, bytes) SELECT n.workspace, 'kv'::text, 'full_docs'::text, count(*), coalesce(sum(octet_length(n.id) + coalesce(octet_length(n.ragstore_extra::text), 0) + coalesce(octet_length(n.content), 0) + coalesce(octet_length(n.doc_name), 0) + coalesce(octet_length(n.parse_format), 0) + coalesce(octet_length(n.content_hash), 0) + coalesce(octet_length(n.chunk_options::text), 0) + coalesce(octet_length(n.process_options), 0) + coalesce(octet_length(n.parse_engine), 0) + coalesce(octet_length(n.sidecar_location), 0)), 0) FROM added n GROUP BY 1, 2, 3; END IF; IF TG_OP <> 'INSERT' THEN INSERT INTO ragstore_change (workspace, kind, name, rows, bytes) SELECT n.workspace, 'kv'::text, 'full_docs'::text, -count(*), -coalesce(sum(octet_length(n.id) + coalesce(octet_length(n.ragstore_extra::text), 0) + coalesce(octet_length(n.content), 0) + coalesce(octet_length(n.doc_name), 0) + coalesce(octet_length(n.parse_format), 0) + coalesce(octet_length(n.content_hash), 0) + coalesce(octet_length(n.chunk_options::text), 0) + coalesce(octet_length(n.process_options), 0) + coalesce(octet_length(n.parse_engine), 0) + coalesce(octet_length(n.sidecar_location), 0)), 0) FROM removed n GROUP BY 1, 2, 3; END IF; RETURN NULL; END $$;
CREATE FUNCTION public.ragstore_count_lightrag_doc_status() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO '$user', 'public'
    AS $$ BEGIN IF TG_OP <> 'DELETE' THEN INSERT INTO ragstore_change (workspace, kind, name, rows, bytes) SELECT n.workspace, 'doc_status'::text, 'doc_status'::text, count(*), coalesce(sum(octet_length(n.id) + coalesce(octet_length(n.ragstore_extra::text), 0) + coalesce(octet_length(n.status), 0) + coalesce(octet_length(n.content_summary), 0) + 8 + 8 + 8 + coalesce(octet_length(n.file_path), 0) + coalesce(octet_length(n.track_id), 0) + coalesce(octet_length(n.content_hash), 0) + coalesce(octet_length(n.metadata::text), 0) + 8 + coalesce(octet_length(n.chunks_list::text), 0) + coalesce(octet_length(n.error_msg), 0)), 0) FROM added n GROUP BY 1, 2, 3; END IF; IF TG_OP <> 'INSERT' THEN INSERT INTO ragstore_change (workspace, kind, name, rows, bytes) SELECT n.workspace, 'doc_status'::text, 'doc_status'::text, -count(*), -coalesce(sum(octet_length(n.id) + coalesce(octet_length(n.ragstore_extra::text), 0) + coalesce(octet_length(n.status), 0) + coalesce(octet_length(n.content_summary), 0) + 8 + 8 + 8 + coalesce(octet_length(n.file_path), 0) + coalesce(octet_length(n.track_id), 0) + coalesce(octet_length(n.content_hash), 0) + coalesce(octet_length(n.metadata::text), 0) + 8 + coalesce(octet_length(n.chunks_list::text), 0) + coalesce(octet_length(n.error_msg), 0)), 0) FROM removed n GROUP BY 1, 2, 3; END IF; RETURN NULL; END $$;
CREATE FUNCTION public.ragstore_count_lightrag_entity_chunks() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO '$user', 'public'
    AS $$ BEGIN IF TG_OP <> 'DELETE' THEN INSERT INTO ragstore_change (workspace, kind, name, rows, bytes) SELECT n.workspace, 'kv'::text, 'entity_chunks'::text, count(*), coalesce(sum(octet_length(n.id) + coalesce(octet_length(n.ragstore_extra::text), 0) + coalesce(octet_length(n.chunk_ids::text), 0) + 8), 0) FROM added n GROUP BY 1, 2, 3; END IF; IF TG_OP <> 'INSERT' THEN INSERT INTO ragstore_change (workspace, kind, name, rows, bytes) SELECT n.workspace, 'kv'::text, 'entity_chunks'::text, -count(*), -coalesce(sum(octet_length(n.id) + coalesce(octet_length(n.ragstore_extra::text), 0) + coalesce(octet_length(n.chunk_ids::text), 0) + 8), 0) FROM removed n GROUP BY 1, 2, 3; END IF; RETURN NULL; END $$;
CREATE FUNCTION public.ragstore_count_lightrag_full_entities() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO '$user', 'public'
    AS $$ BEGIN IF TG_OP <> 'DELETE' THEN INSERT INTO ragstore_change (workspace, kind, name, rows, bytes) SELECT n.workspace, 'kv'::text, 'full_entities'::text, count(*), coalesce(sum(octet_length(n.id) + coalesce(octet_length(n.ragstore_extra::text), 0) + coalesce(octet_length(n.entity_names::text), 0) + 8), 0) FROM added n GROUP BY 1, 2, 3; END IF; IF TG_OP <> 'INSERT' THEN INSERT INTO ragstore_change (workspace, kind, name, rows, bytes) SELECT n.workspace, 'kv'::text, 'full_entities'::text, -count(*), -coalesce(sum(octet_length(n.id) + coalesce(octet_length(n.ragstore_extra::text), 0) + coalesce(octet_length(n.entity_names::text), 0) + 8), 0) FROM removed n GROUP BY 1, 2, 3; END IF; RETURN NULL; END $$;
CREATE FUNCTION public.ragstore_count_lightrag_full_relations() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO '$user', 'public'
    AS $$ BEGIN IF TG_OP <> 'DELETE' THEN INSERT INTO ragstore_change (workspace, kind, name, rows, bytes) SELECT n.workspace, 'kv'::text, 'full_relations'::text, count(*), coalesce(sum(octet_length(n.id) + coalesce(octet_length(n.ragstore_extra::text), 0) + coalesce(octet_length(n.relation_pairs::text), 0) + 8), 0) FROM added n GROUP BY 1, 2, 3; END IF; IF TG_OP <> 'INSERT' THEN INSERT INTO ragstore_change (workspace, kind, name, rows, bytes) SELECT n.workspace, 'kv'::text, 'full_relations'::text, -count(*), -coalesce(sum(octet_length(n.id) + coalesce(octet_length(n.ragstore_extra::text), 0) + coalesce(octet_length(n.relation_pairs::text), 0) + 8), 0) FROM removed n GROUP BY 1, 2, 3; END IF; RETURN NULL; END $$;
CREATE FUNCTION public.ragstore_count_lightrag_graph_edges() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO '$user', 'public'
    AS $$ BEGIN IF TG_OP <> 'DELETE' THEN INSERT INTO ragstore_change (workspace, kind, name, rows, bytes) SELECT n.workspace, CASE n.namespace WHEN 'chunk_entity_relation' THEN 'graph_edges' ELSE 'foreign' END, 'graph'::text, count(*), coalesce(sum(octet_length(n.src_id) + octet_length(n.tgt_id) + octet_length(n.properties::text) + coalesce(octet_length(n.ragstore_extra::text), 0)), 0) FROM added n GROUP BY 1, 2, 3; END IF; IF TG_OP <> 'INSERT' THEN INSERT INTO ragstore_change (workspace, kind, name, rows, bytes) SELECT n.workspace, CASE n.namespace WHEN 'chunk_entity_relation' THEN 'graph_edges' ELSE 'foreign' END, 'graph'::text, -count(*), -coalesce(sum(octet_length(n.src_id) + octet_length(n.tgt_id) + octet_length(n.properties::text) + coalesce(octet_length(n.ragstore_extra::text), 0)), 0) FROM removed n GROUP BY 1, 2, 3; END IF; RETURN NULL; END $$;
CREATE FUNCTION public.ragstore_count_lightrag_graph_nodes() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO '$user', 'public'
    AS $$ BEGIN IF TG_OP <> 'DELETE' THEN INSERT INTO ragstore_change (workspace, kind, name, rows, bytes) SELECT n.workspace, CASE n.namespace WHEN 'chunk_entity_relation' THEN 'graph_nodes' ELSE 'foreign' END, 'graph'::text, count(*), coalesce(sum(octet_length(coalesce(n.ragstore_label, convert_to(n.id, 'UTF8'))) + octet_length(n.properties::text) + coalesce(octet_length(n.ragstore_extra::text), 0)), 0) FROM added n GROUP BY 1, 2, 3; END IF; IF TG_OP <> 'INSERT' THEN INSERT INTO ragstore_change (workspace, kind, name, rows, bytes) SELECT n.workspace, CASE n.namespace WHEN 'chunk_entity_relation' THEN 'graph_nodes' ELSE 'foreign' END, 'graph'::text, -count(*), -coalesce(sum(octet_length(coalesce(n.ragstore_label, convert_to(n.id, 'UTF8'))) + octet_length(n.properties::text) + coalesce(octet_length(n.ragstore_extra::text), 0)), 0) FROM removed n GROUP BY 1, 2, 3; END IF; RETURN NULL; END $$;
CREATE FUNCTION public.ragstore_count_lightrag_llm_cache() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO '$user', 'public'
    AS $$ BEGIN IF TG_OP <> 'DELETE' THEN INSERT INTO ragstore_change (workspace, kind, name, rows, bytes) SELECT n.workspace, 'kv'::text, 'llm_response_cache'::text, count(*), coalesce(sum(octet_length(n.id) + coalesce(octet_length(n.ragstore_extra::text), 0) + coalesce(octet_length(n.return_value), 0) + coalesce(octet_length(n.cache_type), 0) + coalesce(octet_length(n.chunk_id), 0) + coalesce(octet_length(n.original_prompt), 0) + coalesce(octet_length(n.queryparam::text), 0)), 0) FROM added n GROUP BY 1, 2, 3; END IF; IF TG_OP <> 'INSERT' THEN INSERT INTO ragstore_change (workspace, kind, name, rows, bytes) SELECT n.workspace, 'kv'::text, 'llm_response_cache'::text, -count(*), -coalesce(sum(octet_length(n.id) + coalesce(octet_length(n.ragstore_extra::text), 0) + coalesce(octet_length(n.return_value), 0) + coalesce(octet_length(n.cache_type), 0) + coalesce(octet_length(n.chunk_id), 0) + coalesce(octet_length(n.original_prompt), 0) + coalesce(octet_length(n.queryparam::text), 0)), 0) FROM removed n GROUP BY 1, 2, 3; END IF; RETURN NULL; END $$;
CREATE FUNCTION public.ragstore_count_lightrag_relation_chunks() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO '$user', 'public'
    AS $$ BEGIN IF TG_OP <> 'DELETE' THEN INSERT INTO ragstore_change (workspace, kind, name, rows, bytes) SELECT n.workspace, 'kv'::text, 'relation_chunks'::text, count(*), coalesce(sum(octet_length(n.id) + coalesce(octet_length(n.ragstore_extra::text), 0) + coalesce(octet_length(n.chunk_ids::text), 0) + 8), 0) FROM added n GROUP BY 1, 2, 3; END IF; IF TG_OP <> 'INSERT' THEN INSERT INTO ragstore_change (workspace, kind, name, rows, bytes) SELECT n.workspace, 'kv'::text, 'relation_chunks'::text, -count(*), -coalesce(sum(octet_length(n.id) + coalesce(octet_length(n.ragstore_extra::text), 0) + coalesce(octet_length(n.chunk_ids::text), 0) + 8), 0) FROM removed n GROUP BY 1, 2, 3; END IF; RETURN NULL; END $$;
CREATE FUNCTION public.ragstore_count_ragstore_rows() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO '$user', 'public'
    AS $$ BEGIN IF TG_OP <> 'DELETE' THEN INSERT INTO ragstore_change (workspace, kind, name, rows, bytes) SELECT n.workspace, n.kind, n.name, count(*), coalesce(sum(octet_length(n.key) + octet_length(n.value::text)), 0) FROM added n GROUP BY 1, 2, 3; END IF; IF TG_OP <> 'INSERT' THEN INSERT INTO ragstore_change (workspace, kind, name, rows, bytes) SELECT n.workspace, n.kind, n.name, -count(*), -coalesce(sum(octet_length(n.key) + octet_length(n.value::text)), 0) FROM removed n GROUP BY 1, 2, 3; END IF; RETURN NULL; END $$;
CREATE FUNCTION public.ragstore_forget_extra() RETURNS trigger
    LANGUAGE plpgsql
    AS $$BEGIN IF current_setting('ragstore.writer', true) IS DISTINCT FROM 'on' THEN NEW.ragstore_extra := NULL; END IF; RETURN NEW; END$$;
CREATE FUNCTION public.ragstore_forget_odd() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO '$user', 'public'
    AS $$BEGIN IF current_setting('ragstore.writer', true) IS DISTINCT FROM 'on' THEN DELETE FROM ragstore_rows WHERE workspace = NEW.workspace AND kind = 'doc_status' AND name = 'doc_status' AND sha256(key) = sha256(convert_to(NEW.id, 'UTF8')); END IF; RETURN NULL; END$$;
CREATE FUNCTION public.ragstore_forget_vector() RETURNS trigger
    LANGUAGE plpgsql
    AS $$BEGIN IF current_setting('ragstore.writer', true) IS DISTINCT FROM 'on' THEN NEW.ragstore_extra := NULL; NEW.ragstore_names := NULL; END IF; RETURN NEW; END$$;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.lightrag_doc_chunks (
    id character varying(255) NOT NULL,
    workspace character varying(255) NOT NULL,
    tokens integer,
    content text,
    chunk_order_index integer,
    full_doc_id character varying(256),
    file_path text,
    llm_cache_list jsonb DEFAULT '[]'::jsonb,
    heading jsonb DEFAULT '{}'::jsonb,
    sidecar jsonb DEFAULT '{}'::jsonb,
    create_time timestamp(0) without time zone DEFAULT CURRENT_TIMESTAMP,
    update_time timestamp(0) without time zone DEFAULT CURRENT_TIMESTAMP,
    ragstore_extra json
);
CREATE TABLE public.lightrag_doc_full (
    id character varying(255) NOT NULL,
    workspace character varying(255) NOT NULL,
    content text,
    doc_name character varying(1024),
    parse_format character varying(32) DEFAULT 'raw'::character varying,
    content_hash text,
    chunk_options jsonb DEFAULT '{}'::jsonb,
    process_options text,
    parse_engine text,
    sidecar_location text,
    meta jsonb,
    create_time timestamp(0) without time zone DEFAULT CURRENT_TIMESTAMP,
    update_time timestamp(0) without time zone DEFAULT CURRENT_TIMESTAMP,
    ragstore_extra json
);
CREATE TABLE public.lightrag_doc_status (
    id character varying(255) NOT NULL,
    workspace character varying(255) NOT NULL,
    status character varying(64),
    content_summary character varying(255),
    content_length integer,
    created_at timestamp without time zone DEFAULT CURRENT_TIMESTAMP,
    updated_at timestamp without time zone DEFAULT CURRENT_TIMESTAMP,
    file_path text,
    track_id character varying(255),
    content_hash text,
    metadata jsonb DEFAULT '{}'::jsonb,
    chunks_count integer,
    chunks_list jsonb DEFAULT '[]'::jsonb,
    error_msg text,
    ragstore_extra json
);
CREATE TABLE public.lightrag_entity_chunks (
    id character varying(512) NOT NULL,
    workspace character varying(255) NOT NULL,
    chunk_ids jsonb,
    count integer,
    create_time timestamp(0) without time zone DEFAULT CURRENT_TIMESTAMP,
    update_time timestamp(0) without time zone DEFAULT CURRENT_TIMESTAMP,
    ragstore_extra json
);
CREATE TABLE public.lightrag_full_entities (
    id character varying(255) NOT NULL,
    workspace character varying(255) NOT NULL,
    entity_names jsonb,
    count integer,
    create_time timestamp(0) without time zone DEFAULT CURRENT_TIMESTAMP,
    update_time timestamp(0) without time zone DEFAULT CURRENT_TIMESTAMP,
    ragstore_extra json
);
CREATE TABLE public.lightrag_full_relations (
    id character varying(255) NOT NULL,
    workspace character varying(255) NOT NULL,
    relation_pairs jsonb,
    count integer,
    create_time timestamp(0) without time zone DEFAULT CURRENT_TIMESTAMP,
    update_time timestamp(0) without time zone DEFAULT CURRENT_TIMESTAMP,
    ragstore_extra json
);
CREATE TABLE public.lightrag_graph_edges (
    workspace text NOT NULL,
    namespace text DEFAULT 'chunk_entity_relation'::text NOT NULL,
    src_id text NOT NULL,
    tgt_id text NOT NULL,
    properties jsonb DEFAULT '{}'::jsonb NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    ragstore_extra json,
    ragstore_src bytea,
    ragstore_tgt bytea,
    ragstore_flipped boolean DEFAULT false NOT NULL
);
CREATE TABLE public.lightrag_graph_nodes (
    workspace text NOT NULL,
    namespace text DEFAULT 'chunk_entity_relation'::text NOT NULL,
    id text NOT NULL,
    properties jsonb DEFAULT '{}'::jsonb NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    ragstore_extra json,
    ragstore_label bytea
);
CREATE TABLE public.lightrag_llm_cache (
    id character varying(255) NOT NULL,
    workspace character varying(255) NOT NULL,
    return_value text,
    cache_type character varying(32),
    chunk_id character varying(255),
    original_prompt text,
    queryparam jsonb,
    create_time timestamp without time zone DEFAULT CURRENT_TIMESTAMP,
    update_time timestamp without time zone DEFAULT CURRENT_TIMESTAMP,
    ragstore_extra json
);
CREATE TABLE public.lightrag_relation_chunks (
    id character varying(512) NOT NULL,
    workspace character varying(255) NOT NULL,
    chunk_ids jsonb,
    count integer,
    create_time timestamp(0) without time zone DEFAULT CURRENT_TIMESTAMP,
    update_time timestamp(0) without time zone DEFAULT CURRENT_TIMESTAMP,
    ragstore_extra json
);
CREATE TABLE public.ragstore_change (
    workspace text NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    rows bigint NOT NULL,
    bytes bigint NOT NULL
);
CREATE SEQUENCE public.ragstore_mark
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
CREATE TABLE public.ragstore_meta (
    version bigint NOT NULL
);
CREATE TABLE public.ragstore_namespace (
    workspace text NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    rows bigint NOT NULL,
    bytes bigint NOT NULL,
    generation bigint NOT NULL
);
CREATE SEQUENCE public.ragstore_owner
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
CREATE TABLE public.ragstore_pending (
    workspace text NOT NULL,
    name text NOT NULL,
    key bytea NOT NULL,
    owner bigint NOT NULL,
    mark bigint NOT NULL,
    value json,
    content bytea,
    created bigint NOT NULL,
    names bytea[] NOT NULL,
    vector bytea
);
CREATE TABLE public.ragstore_rows (
    workspace text NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    key bytea NOT NULL,
    value json NOT NULL,
    created bigint NOT NULL,
    updated bigint NOT NULL,
    status bytea,
    created_at bytea,
    updated_at bytea,
    file_path bytea,
    file_path_order bytea,
    track_id bytea,
    content_hash bytea,
    is_duplicate boolean,
    original_id bytea
);
CREATE TABLE public.ragstore_space (
    workspace text NOT NULL,
    name text NOT NULL,
    model text NOT NULL,
    dimension bigint NOT NULL,
    metric bigint NOT NULL,
    element bigint NOT NULL,
    lightrag text NOT NULL,
    own text NOT NULL
);
INSERT INTO public.lightrag_doc_chunks VALUES ('c1', 'w', 3, 'one', 0, 'd1', 'a.txt', '[]', NULL, NULL, '2026-11-21 23:21:47', '2026-11-21 23:21:47', '{"content":0,"tokens":0,"chunk_order_index":0,"full_doc_id":0,"file_path":0,"llm_cache_list":0}');
INSERT INTO public.lightrag_doc_chunks VALUES ('c2', 'w', NULL, 'two', NULL, NULL, NULL, '[]', NULL, NULL, '2026-11-21 23:21:47', '2026-11-21 23:21:47', '{"content":0,"odd":[true],"llm_cache_list":0}');
INSERT INTO public.lightrag_doc_status VALUES ('d1', 'w', 'processed', 's', 3, '2026-11-21 08:11:10.023127', '2026-11-21 08:11:10.023127', 'a.txt', NULL, NULL, NULL, NULL, '[]', NULL, NULL);
INSERT INTO public.lightrag_graph_edges VALUES ('w', 'chunk_entity_relation', 'A', 'B', '{"weight": 1.0}', '2026-11-21 23:21:48.174283+00', NULL, NULL, NULL, false);
INSERT INTO public.lightrag_graph_nodes VALUES ('w', 'chunk_entity_relation', 'A', '{"entity_id": "A", "description": "first", "entity_type": "t"}', '2026-11-21 23:21:48.126146+00', '{"entity_type":0,"description":0}', NULL);
INSERT INTO public.lightrag_graph_nodes VALUES ('w', 'chunk_entity_relation', 'B', '{"entity_id": "B", "entity_type": "t"}', '2026-11-21 23:21:48.126146+00', '{"entity_type":0}', NULL);
INSERT INTO public.ragstore_change VALUES ('w', 'kv', 'text_chunks', 2, 193);
INSERT INTO public.ragstore_change VALUES ('w', 'kv', 'other', 1, 15);
INSERT INTO public.ragstore_change VALUES ('w', 'doc_status', 'doc_status', 1, 51);
INSERT INTO public.ragstore_change VALUES ('w', 'graph_nodes', 'graph', 2, 152);
INSERT INTO public.ragstore_change VALUES ('w', 'graph_edges', 'graph', 1, 17);
INSERT INTO public.ragstore_meta VALUES (2);
INSERT INTO public.ragstore_rows VALUES ('w', 'kv', 'other', '\x6b', '{"v":[1,2.50]}', 1795303308, 1795303308, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
SELECT pg_catalog.setval('public.ragstore_mark', 1, false);
SELECT pg_catalog.setval('public.ragstore_owner', 1, false);
ALTER TABLE ONLY public.lightrag_doc_chunks
    ADD CONSTRAINT lightrag_doc_chunks_pk PRIMARY KEY (workspace, id);
ALTER TABLE ONLY public.lightrag_doc_full
    ADD CONSTRAINT lightrag_doc_full_pk PRIMARY KEY (workspace, id);
ALTER TABLE ONLY public.lightrag_doc_status
    ADD CONSTRAINT lightrag_doc_status_pk PRIMARY KEY (workspace, id);
ALTER TABLE ONLY public.lightrag_entity_chunks
    ADD CONSTRAINT lightrag_entity_chunks_pk PRIMARY KEY (workspace, id);
ALTER TABLE ONLY public.lightrag_full_entities
    ADD CONSTRAINT lightrag_full_entities_pk PRIMARY KEY (workspace, id);
ALTER TABLE ONLY public.lightrag_full_relations
    ADD CONSTRAINT lightrag_full_relations_pk PRIMARY KEY (workspace, id);
ALTER TABLE ONLY public.lightrag_graph_edges
    ADD CONSTRAINT lightrag_graph_edges_pkey PRIMARY KEY (workspace, namespace, src_id, tgt_id);
ALTER TABLE ONLY public.lightrag_graph_nodes
    ADD CONSTRAINT lightrag_graph_nodes_pkey PRIMARY KEY (workspace, namespace, id);
ALTER TABLE ONLY public.lightrag_llm_cache
    ADD CONSTRAINT lightrag_llm_cache_pk PRIMARY KEY (workspace, id);
ALTER TABLE ONLY public.lightrag_relation_chunks
    ADD CONSTRAINT lightrag_relation_chunks_pk PRIMARY KEY (workspace, id);
ALTER TABLE ONLY public.ragstore_namespace
    ADD CONSTRAINT ragstore_namespace_pkey PRIMARY KEY (workspace, kind, name);
ALTER TABLE ONLY public.ragstore_space
    ADD CONSTRAINT ragstore_space_pkey PRIMARY KEY (workspace, name);
CREATE INDEX idx_lightrag_doc_chunks_id ON public.lightrag_doc_chunks USING btree (id);
CREATE INDEX idx_lightrag_doc_chunks_workspace_id ON public.lightrag_doc_chunks USING btree (workspace, id);
CREATE INDEX idx_lightrag_doc_full_id ON public.lightrag_doc_full USING btree (id);
CREATE INDEX idx_lightrag_doc_full_workspace_id ON public.lightrag_doc_full USING btree (workspace, id);
CREATE INDEX idx_lightrag_doc_status_id ON public.lightrag_doc_status USING btree (id);
CREATE INDEX idx_lightrag_doc_status_track_id ON public.lightrag_doc_status USING btree (track_id);
CREATE INDEX idx_lightrag_doc_status_workspace_content_hash ON public.lightrag_doc_status USING btree (workspace, content_hash) WHERE ((content_hash IS NOT NULL) AND (content_hash <> ''::text));
CREATE INDEX idx_lightrag_doc_status_workspace_created_at ON public.lightrag_doc_status USING btree (workspace, created_at DESC);
CREATE INDEX idx_lightrag_doc_status_workspace_file_path ON public.lightrag_doc_status USING btree (workspace, file_path);
CREATE INDEX idx_lightrag_doc_status_workspace_id ON public.lightrag_doc_status USING btree (workspace, id);
CREATE INDEX idx_lightrag_doc_status_workspace_status_created_at ON public.lightrag_doc_status USING btree (workspace, status, created_at DESC);
CREATE INDEX idx_lightrag_doc_status_workspace_status_updated_at ON public.lightrag_doc_status USING btree (workspace, status, updated_at DESC);
CREATE INDEX idx_lightrag_doc_status_workspace_updated_at ON public.lightrag_doc_status USING btree (workspace, updated_at DESC);
CREATE INDEX idx_lightrag_doc_status_ws_status_created_nf_id ON public.lightrag_doc_status USING btree (workspace, status, created_at NULLS FIRST, id);
CREATE INDEX idx_lightrag_entity_chunks_id ON public.lightrag_entity_chunks USING btree (id);
CREATE INDEX idx_lightrag_entity_chunks_workspace_id ON public.lightrag_entity_chunks USING btree (workspace, id);
CREATE INDEX idx_lightrag_full_entities_id ON public.lightrag_full_entities USING btree (id);
CREATE INDEX idx_lightrag_full_entities_workspace_id ON public.lightrag_full_entities USING btree (workspace, id);
CREATE INDEX idx_lightrag_full_relations_id ON public.lightrag_full_relations USING btree (id);
CREATE INDEX idx_lightrag_full_relations_workspace_id ON public.lightrag_full_relations USING btree (workspace, id);
CREATE INDEX idx_lightrag_graph_edges_namespace_tgt ON public.lightrag_graph_edges USING btree (workspace, namespace, tgt_id);
CREATE INDEX idx_lightrag_graph_edges_noncanonical ON public.lightrag_graph_edges USING btree (workspace, namespace) WHERE ((src_id COLLATE "C") > (tgt_id COLLATE "C"));
CREATE INDEX idx_lightrag_llm_cache_id ON public.lightrag_llm_cache USING btree (id);
CREATE INDEX idx_lightrag_llm_cache_workspace_id ON public.lightrag_llm_cache USING btree (workspace, id);
CREATE INDEX idx_lightrag_relation_chunks_id ON public.lightrag_relation_chunks USING btree (id);
CREATE INDEX idx_lightrag_relation_chunks_workspace_id ON public.lightrag_relation_chunks USING btree (workspace, id);
CREATE INDEX ragstore_change_of ON public.ragstore_change USING btree (workspace, kind, name);
CREATE INDEX ragstore_lightrag_doc_chunks_order ON public.lightrag_doc_chunks USING btree (workspace, id COLLATE "C");
CREATE INDEX ragstore_lightrag_doc_full_order ON public.lightrag_doc_full USING btree (workspace, id COLLATE "C");
CREATE INDEX ragstore_lightrag_doc_status_order ON public.lightrag_doc_status USING btree (workspace, id COLLATE "C");
CREATE INDEX ragstore_lightrag_entity_chunks_order ON public.lightrag_entity_chunks USING btree (workspace, id COLLATE "C");
CREATE INDEX ragstore_lightrag_full_entities_order ON public.lightrag_full_entities USING btree (workspace, id COLLATE "C");
CREATE INDEX ragstore_lightrag_full_relations_order ON public.lightrag_full_relations USING btree (workspace, id COLLATE "C");
CREATE INDEX ragstore_lightrag_graph_edges_order ON public.lightrag_graph_edges USING btree (workspace, namespace, src_id COLLATE "C", tgt_id COLLATE "C");
CREATE INDEX ragstore_lightrag_graph_nodes_odd ON public.lightrag_graph_nodes USING btree (workspace, namespace) WHERE (ragstore_label IS NOT NULL);
CREATE INDEX ragstore_lightrag_graph_nodes_order ON public.lightrag_graph_nodes USING btree (workspace, namespace, id COLLATE "C");
CREATE INDEX ragstore_lightrag_llm_cache_order ON public.lightrag_llm_cache USING btree (workspace, id COLLATE "C");
CREATE INDEX ragstore_lightrag_relation_chunks_order ON public.lightrag_relation_chunks USING btree (workspace, id COLLATE "C");
CREATE UNIQUE INDEX ragstore_pending_key ON public.ragstore_pending USING btree (workspace, name, sha256(key));
CREATE INDEX ragstore_pending_order ON public.ragstore_pending USING btree (workspace, name, substr(key, 1, 512));
CREATE UNIQUE INDEX ragstore_rows_key ON public.ragstore_rows USING btree (workspace, kind, name, sha256(key));
CREATE INDEX ragstore_rows_order ON public.ragstore_rows USING btree (workspace, kind, name, substr(key, 1, 512));
CREATE TRIGGER ragstore_count_0 AFTER INSERT ON public.lightrag_doc_chunks REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.ragstore_count_lightrag_doc_chunks();
CREATE TRIGGER ragstore_count_0 AFTER INSERT ON public.lightrag_doc_full REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.ragstore_count_lightrag_doc_full();
CREATE TRIGGER ragstore_count_0 AFTER INSERT ON public.lightrag_doc_status REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.ragstore_count_lightrag_doc_status();
CREATE TRIGGER ragstore_count_0 AFTER INSERT ON public.lightrag_entity_chunks REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.ragstore_count_lightrag_entity_chunks();
CREATE TRIGGER ragstore_count_0 AFTER INSERT ON public.lightrag_full_entities REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.ragstore_count_lightrag_full_entities();
CREATE TRIGGER ragstore_count_0 AFTER INSERT ON public.lightrag_full_relations REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.ragstore_count_lightrag_full_relations();
CREATE TRIGGER ragstore_count_0 AFTER INSERT ON public.lightrag_graph_edges REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.ragstore_count_lightrag_graph_edges();
CREATE TRIGGER ragstore_count_0 AFTER INSERT ON public.lightrag_graph_nodes REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.ragstore_count_lightrag_graph_nodes();
CREATE TRIGGER ragstore_count_0 AFTER INSERT ON public.lightrag_llm_cache REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.ragstore_count_lightrag_llm_cache();
CREATE TRIGGER ragstore_count_0 AFTER INSERT ON public.lightrag_relation_chunks REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.ragstore_count_lightrag_relation_chunks();
CREATE TRIGGER ragstore_count_0 AFTER INSERT ON public.ragstore_rows REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.ragstore_count_ragstore_rows();
CREATE TRIGGER ragstore_count_1 AFTER UPDATE ON public.lightrag_doc_chunks REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.ragstore_count_lightrag_doc_chunks();
CREATE TRIGGER ragstore_count_1 AFTER UPDATE ON public.lightrag_doc_full REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.ragstore_count_lightrag_doc_full();
CREATE TRIGGER ragstore_count_1 AFTER UPDATE ON public.lightrag_doc_status REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.ragstore_count_lightrag_doc_status();
CREATE TRIGGER ragstore_count_1 AFTER UPDATE ON public.lightrag_entity_chunks REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.ragstore_count_lightrag_entity_chunks();
CREATE TRIGGER ragstore_count_1 AFTER UPDATE ON public.lightrag_full_entities REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.ragstore_count_lightrag_full_entities();
CREATE TRIGGER ragstore_count_1 AFTER UPDATE ON public.lightrag_full_relations REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.ragstore_count_lightrag_full_relations();
CREATE TRIGGER ragstore_count_1 AFTER UPDATE ON public.lightrag_graph_edges REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.ragstore_count_lightrag_graph_edges();
CREATE TRIGGER ragstore_count_1 AFTER UPDATE ON public.lightrag_graph_nodes REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.ragstore_count_lightrag_graph_nodes();
CREATE TRIGGER ragstore_count_1 AFTER UPDATE ON public.lightrag_llm_cache REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.ragstore_count_lightrag_llm_cache();
CREATE TRIGGER ragstore_count_1 AFTER UPDATE ON public.lightrag_relation_chunks REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.ragstore_count_lightrag_relation_chunks();
CREATE TRIGGER ragstore_count_1 AFTER UPDATE ON public.ragstore_rows REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.ragstore_count_ragstore_rows();
CREATE TRIGGER ragstore_count_2 AFTER DELETE ON public.lightrag_doc_chunks REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION public.ragstore_count_lightrag_doc_chunks();
CREATE TRIGGER ragstore_count_2 AFTER DELETE ON public.lightrag_doc_full REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION public.ragstore_count_lightrag_doc_full();
CREATE TRIGGER ragstore_count_2 AFTER DELETE ON public.lightrag_doc_status REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION public.ragstore_count_lightrag_doc_status();
CREATE TRIGGER ragstore_count_2 AFTER DELETE ON public.lightrag_entity_chunks REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION public.ragstore_count_lightrag_entity_chunks();
CREATE TRIGGER ragstore_count_2 AFTER DELETE ON public.lightrag_full_entities REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION public.ragstore_count_lightrag_full_entities();
CREATE TRIGGER ragstore_count_2 AFTER DELETE ON public.lightrag_full_relations REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION public.ragstore_count_lightrag_full_relations();
CREATE TRIGGER ragstore_count_2 AFTER DELETE ON public.lightrag_graph_edges REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION public.ragstore_count_lightrag_graph_edges();
CREATE TRIGGER ragstore_count_2 AFTER DELETE ON public.lightrag_graph_nodes REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION public.ragstore_count_lightrag_graph_nodes();
CREATE TRIGGER ragstore_count_2 AFTER DELETE ON public.lightrag_llm_cache REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION public.ragstore_count_lightrag_llm_cache();
CREATE TRIGGER ragstore_count_2 AFTER DELETE ON public.lightrag_relation_chunks REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION public.ragstore_count_lightrag_relation_chunks();
CREATE TRIGGER ragstore_count_2 AFTER DELETE ON public.ragstore_rows REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION public.ragstore_count_ragstore_rows();
CREATE TRIGGER ragstore_extra BEFORE UPDATE ON public.lightrag_doc_chunks FOR EACH ROW WHEN ((old.ragstore_extra IS NOT NULL)) EXECUTE FUNCTION public.ragstore_forget_extra();
CREATE TRIGGER ragstore_extra BEFORE UPDATE ON public.lightrag_doc_full FOR EACH ROW WHEN ((old.ragstore_extra IS NOT NULL)) EXECUTE FUNCTION public.ragstore_forget_extra();
CREATE TRIGGER ragstore_extra BEFORE UPDATE ON public.lightrag_doc_status FOR EACH ROW WHEN ((old.ragstore_extra IS NOT NULL)) EXECUTE FUNCTION public.ragstore_forget_extra();
CREATE TRIGGER ragstore_extra BEFORE UPDATE ON public.lightrag_entity_chunks FOR EACH ROW WHEN ((old.ragstore_extra IS NOT NULL)) EXECUTE FUNCTION public.ragstore_forget_extra();
CREATE TRIGGER ragstore_extra BEFORE UPDATE ON public.lightrag_full_entities FOR EACH ROW WHEN ((old.ragstore_extra IS NOT NULL)) EXECUTE FUNCTION public.ragstore_forget_extra();
CREATE TRIGGER ragstore_extra BEFORE UPDATE ON public.lightrag_full_relations FOR EACH ROW WHEN ((old.ragstore_extra IS NOT NULL)) EXECUTE FUNCTION public.ragstore_forget_extra();
CREATE TRIGGER ragstore_extra BEFORE UPDATE ON public.lightrag_graph_edges FOR EACH ROW WHEN ((old.ragstore_extra IS NOT NULL)) EXECUTE FUNCTION public.ragstore_forget_extra();
CREATE TRIGGER ragstore_extra BEFORE UPDATE ON public.lightrag_graph_nodes FOR EACH ROW WHEN ((old.ragstore_extra IS NOT NULL)) EXECUTE FUNCTION public.ragstore_forget_extra();
CREATE TRIGGER ragstore_extra BEFORE UPDATE ON public.lightrag_llm_cache FOR EACH ROW WHEN ((old.ragstore_extra IS NOT NULL)) EXECUTE FUNCTION public.ragstore_forget_extra();
CREATE TRIGGER ragstore_extra BEFORE UPDATE ON public.lightrag_relation_chunks FOR EACH ROW WHEN ((old.ragstore_extra IS NOT NULL)) EXECUTE FUNCTION public.ragstore_forget_extra();
CREATE TRIGGER ragstore_odd AFTER INSERT ON public.lightrag_doc_status FOR EACH ROW EXECUTE FUNCTION public.ragstore_forget_odd();
ALTER TABLE ONLY public.lightrag_graph_edges
    ADD CONSTRAINT lightrag_graph_edges_workspace_namespace_src_id_fkey FOREIGN KEY (workspace, namespace, src_id) REFERENCES public.lightrag_graph_nodes(workspace, namespace, id) ON DELETE CASCADE;
ALTER TABLE ONLY public.lightrag_graph_edges
    ADD CONSTRAINT lightrag_graph_edges_workspace_namespace_tgt_id_fkey FOREIGN KEY (workspace, namespace, tgt_id) REFERENCES public.lightrag_graph_nodes(workspace, namespace, id) ON DELETE CASCADE;
