CREATE TABLE teachers (
  teacher_id INTEGER PRIMARY KEY,
  first_name TEXT NOT NULL,
  last_name TEXT NOT NULL,
  hired DATE,
  contract_hours INTEGER,
  active INTEGER DEFAULT 1
);
CREATE TABLE classes (
  class_id INTEGER PRIMARY KEY,
  class_name TEXT UNIQUE,
  year_group INTEGER,
  room TEXT,
  form_tutor_id INTEGER REFERENCES teachers(teacher_id)
);
CREATE TABLE pupils (
  pupil_id INTEGER PRIMARY KEY,
  first_name TEXT,
  last_name TEXT,
  gender TEXT,
  born DATE,
  class_id INTEGER REFERENCES classes(class_id),
  entry_date DATE,
  left_date DATE,
  free_meals INTEGER DEFAULT 0,
  bus_route TEXT
);
CREATE TABLE courses (
  course_id INTEGER PRIMARY KEY,
  title TEXT,
  department TEXT,
  weekly_hours INTEGER,
  compulsory INTEGER,
  teacher_id INTEGER REFERENCES teachers(teacher_id)
);
CREATE TABLE enrolments (
  pupil_id INTEGER REFERENCES pupils(pupil_id),
  course_id INTEGER REFERENCES courses(course_id),
  since DATE,
  PRIMARY KEY (pupil_id, course_id)
);
CREATE TABLE marks (
  mark_id INTEGER PRIMARY KEY,
  pupil_id INTEGER NOT NULL REFERENCES pupils(pupil_id),
  course_id INTEGER NOT NULL REFERENCES courses(course_id),
  kind TEXT CHECK (kind IN ('test','exam','oral','project')),
  taken_on DATE,
  score INTEGER -- out of 100; NULL = did not sit
);
CREATE TABLE absences (
  absence_id INTEGER PRIMARY KEY,
  pupil_id INTEGER NOT NULL REFERENCES pupils(pupil_id),
  day DATE,
  lessons_missed INTEGER,
  excused INTEGER,
  reason TEXT
);
INSERT INTO teachers VALUES
(1,'Helena','Marchbank','2009-08-24',26,1),(2,'Tobias','Ferreira','2014-08-25',24,1),(3,'Ruth','Odhiambo','2017-01-09',18,1),
(4,'Callum','Strachan','2011-08-22',26,1),(5,'Ingrid','Solheim','2020-08-24',20,1),(6,'Patrick','Lavelle','2006-08-28',12,0),
(7,'Yasmin','Choudhry','2021-08-23',26,1),(8,'Edwin','Pell','2013-08-26',22,1),(9,'Marta','Wieczorek','2018-08-27',24,1),
(10,'Gordon','Abbey','2002-09-02',14,1),(11,'Lucille','Tremblay','2022-08-22',26,1),(12,'Dominic','Hargrave','2022-08-29',16,1);
INSERT INTO classes VALUES (1,'7A',7,'N12',3),(2,'7B',7,'N14',7),(3,'8A',8,'N21',2),(4,'8B',8,'S03',9),(5,'9A',9,'S05',4),
(6,'9B',9,'S11',11),(7,'10A',10,'E20',1),(8,'10B',10,'E22',8),(9,'10C',10,'E24',NULL);
INSERT INTO courses VALUES (1,'Mathematics','Science',5,1,1),(2,'English','Languages',5,1,3),(3,'Biology','Science',3,1,4),(4,'Chemistry','Science',3,0,4),
(5,'Physics','Science',3,0,1),(6,'French','Languages',3,0,11),(7,'German','Languages',3,0,9),(8,'History','Humanities',2,1,8),(9,'Geography','Humanities',2,0,8),
(10,'Art','Arts',2,0,5),(11,'Music','Arts',2,0,5),(12,'Computing','Science',2,0,7),(13,'Drama','Arts',1,0,2),(14,'Latin','Languages',2,0,NULL),(15,'Philosophy','Humanities',1,0,12);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<214),
p AS (SELECT i, 1+(i*5+i/9)%9 c, i*11%19 f FROM n)
INSERT INTO pupils SELECT i, '["Aaron","Bella","Caleb","Daisy","Elias","Freya","Gideon","Hana","Isaac","Jasmin","Kofi","Lena","Mateo","Nadia","Oscar","Petra","Quentin","Rania","Stefan"]'->>f,
 '["Abbott","Bianchi","Chaudhuri","Dunmore","Erskine","Farrow","Grimaldi","Hobday","Iqbal","Jarvis","Kettle","Lindqvist","Murphy","Nakamura","Osei","Pritchard","Rousseau"]'->>(i*7%17),
 CASE WHEN f%2=0 THEN 'M' ELSE 'F' END,
 date('2012-09-03','-'||(365*((c-1)/2-(c=9))+ (i*131+i*i+i/9*5)%364)||' days'), CASE WHEN i%71=19 THEN NULL ELSE c END,
 CASE WHEN (i*29)%11=3 THEN date('2023-01-09','+'||((i*17)%700)||' days') ELSE (2024-((c-1)/2-(c=9))-(i*7)%2)||'-09-0'||(2+(i*3)%4) END,
 CASE WHEN (i*43)%19=7 THEN date('2025-01-20','+'||((i*23)%130)||' days') END,
 CASE WHEN (i*37+i/8)%16<3 THEN 1 ELSE 0 END, CASE WHEN (i*13+i/6)%9<5 THEN '["R1","R2","R4","R7"]'->>((i*5+i/11)%4) END FROM p;
INSERT INTO enrolments SELECT pupil_id, course_id, CASE WHEN (pupil_id*7+course_id*11)%13=0 THEN date(entry_date,'+120 days') ELSE entry_date END
 FROM pupils, courses WHERE course_id NOT IN (14) AND (compulsory=1 OR (pupil_id*31+course_id*57+pupil_id*course_id)%(23+course_id)<9);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<3400),
m AS (SELECT i, pupil_id, course_id, date('2022-09-12','+'||((i*577+i*i*3)%1010)||' days') d FROM n JOIN enrolments ON enrolments.rowid=1+(i*i*5+i*401)%(SELECT COUNT(*) FROM enrolments))
INSERT INTO marks SELECT i, pupil_id, course_id, '["test","test","exam","oral","project","test","exam"]'->>((i*19+i/7)%7), d,
 CASE WHEN (i*41)%37=5 THEN NULL ELSE 38+(pupil_id*37)%31+(course_id*5)%11+(i*i*7+i*13)%23-CASE WHEN (i*19+i/7)%7 IN (2,6) THEN 4 ELSE 0 END END
 FROM m WHERE strftime('%w',d) NOT IN ('0','6') AND strftime('%m',d) NOT IN ('07','08');
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<1400),
a AS (SELECT i, 1+(i*i*3+i*61+i/7*4)%211 p, date('2022-09-05','+'||((i*389+i*i)%1019)||' days') d FROM n)
INSERT INTO absences SELECT i, p, d, CASE WHEN (i*23)%5<2 THEN 6 ELSE 1+(i*29+i/4)%5 END, CASE WHEN (i*17+i/9)%10<7 THEN 1 ELSE 0 END,
 CASE WHEN (i*17+i/9)%10<7 THEN '["illness","illness","doctor","family","illness","sports event"]'->>((i*11+i/13)%6) WHEN i%4=1 THEN 'overslept' END
 FROM a WHERE strftime('%w',d) NOT IN ('0','6') AND strftime('%m',d) NOT IN ('07','08') AND (p*7)%10<9;
